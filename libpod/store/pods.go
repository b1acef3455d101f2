package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/carob-containers/carob/libpod/spec"
)

// ErrNoPod says that the pod a container was to join is gone.
var ErrNoPod = errors.New("no such pod")

// AddPod stores p; ErrExists when its name is taken, by a container too.
func (t *Tx) AddPod(p *spec.Pod) error {
	t.lasting = true
	if _, err := t.exec("INSERT INTO name VALUES (?, ?, 'pod')", p.Name, p.ID); err != nil {
		return err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = t.exec("INSERT INTO pod VALUES (?, ?, ?, ?)", p.ID, p.Name, p.Created.UnixNano(), string(body))
	return err
}

// ReplacePod stores a changed spec; ErrExists when its new name is taken.
func (t *Tx) ReplacePod(p *spec.Pod) error {
	t.lasting = true
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if _, err := t.exec("UPDATE name SET name = ? WHERE id = ?", p.Name, p.ID); err != nil {
		return err
	}
	n, err := t.exec("UPDATE pod SET name = ?, spec = ? WHERE id = ?", p.Name, string(body), p.ID)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// The index holds only containers of pods, and is of use only to those who say so.
const (
	membersQuery   = "SELECT spec, 0 FROM container WHERE pod = ? AND pod != '' ORDER BY created"
	memberIDsQuery = "SELECT id FROM container WHERE pod = ? AND pod != ''"
)

// RemovePod forgets a pod without members; forgetting one that is gone is no
// error. The IDs of members are returned otherwise, and nothing changes.
func (t *Tx) RemovePod(id string) (members []string, err error) {
	rows, err := t.tx.QueryContext(t.ctx, memberIDsQuery, id)
	if err != nil {
		return nil, sqlError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var member string
		if err := rows.Scan(&member); err != nil {
			return nil, sqlError(err)
		}
		members = append(members, member)
	}
	if err := rows.Err(); err != nil || len(members) > 0 {
		return members, sqlError(err)
	}
	for _, q := range []string{"DELETE FROM pod WHERE id = ?", "DELETE FROM name WHERE id = ?"} {
		if _, err := t.exec(q, id); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// hasPod is ErrNoPod when there is no pod of that ID.
func (t *Tx) hasPod(id string) error {
	var n int
	err := t.tx.QueryRowContext(t.ctx, "SELECT count(*) FROM pod WHERE id = ?", id).Scan(&n)
	if err == nil && n == 0 {
		return ErrNoPod
	}
	return sqlError(err)
}

const podQuery = "SELECT spec FROM pod WHERE name = ?1 OR id = ?1 ORDER BY name != ?1"

// Pod finds one by name, ID or unambiguous start of its ID; a full name wins
// over a partial ID.
func (d *DB) Pod(ctx context.Context, given string) (*spec.Pod, error) {
	if given == "" {
		return nil, ErrNotFound
	}
	exact, err := d.pods(ctx, podQuery, given)
	if err != nil || len(exact) > 0 {
		return first(exact), err
	}
	found, err := d.pods(ctx, "SELECT spec FROM pod WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2", given)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, ErrNotFound
	case len(found) > 1:
		return nil, &AmbiguousError{"pod", given, []string{found[0].ID[:12], found[1].ID[:12]}}
	}
	return found[0], nil
}

func first(pods []*spec.Pod) *spec.Pod {
	if len(pods) == 0 {
		return nil
	}
	return pods[0]
}

// Pods returns all, oldest first.
func (d *DB) Pods(ctx context.Context) ([]*spec.Pod, error) {
	return d.pods(ctx, "SELECT spec FROM pod ORDER BY created")
}

// Members returns the containers of a pod, oldest first: the infra container
// leads.
func (d *DB) Members(ctx context.Context, pod string) ([]*spec.Container, error) {
	return d.containers(ctx, membersQuery, pod)
}

func (d *DB) pods(ctx context.Context, q string, args ...any) ([]*spec.Pod, error) {
	rows, err := d.sql.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, sqlError(err)
	}
	defer rows.Close()
	var all []*spec.Pod
	for rows.Next() {
		p, err := scanPod(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, sqlError(rows.Err())
}

func scanPod(rows *sql.Rows) (*spec.Pod, error) {
	var body []byte
	if err := rows.Scan(&body); err != nil {
		return nil, sqlError(err)
	}
	p := new(spec.Pod)
	if err := json.Unmarshal(body, p); err != nil {
		return nil, fmt.Errorf("cannot read a stored pod: %w", err)
	}
	return p, nil
}
