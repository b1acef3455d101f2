package store

import (
	"context"
	"encoding/json"
)

// KubeObject is an object of Kubernetes YAML that is kept as it is.
type KubeObject struct {
	Kind      string          `json:"kind"`
	Name      string          `json:"name"`
	Namespace string          `json:"namespace,omitempty"`
	Body      json.RawMessage `json:"body"`
}

// PutKubeObject stores o in place of one of the same kind and name.
func (t *Tx) PutKubeObject(o KubeObject) error {
	t.lasting = true
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = t.exec("INSERT OR REPLACE INTO kube VALUES (?, ?, ?)", o.Kind, o.Name, string(body))
	return err
}

// RemoveKubeObject forgets one; one that is gone is no error.
func (t *Tx) RemoveKubeObject(kind, name string) error {
	_, err := t.exec("DELETE FROM kube WHERE kind = ? AND name = ?", kind, name)
	return err
}

// KubeObjects returns all by kind and name.
func (d *DB) KubeObjects(ctx context.Context) ([]KubeObject, error) {
	found, err := list[KubeObject](ctx, d.sql, "SELECT spec FROM kube ORDER BY kind, name")
	if err != nil {
		return nil, err
	}
	all := make([]KubeObject, 0, len(found))
	for _, o := range found {
		all = append(all, *o)
	}
	return all, nil
}
