package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/carob-containers/carob/libpod/spec"
)

// AmbiguousError says that a partial ID fits several objects.
type AmbiguousError struct {
	Kind, Given string
	IDs         []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("more than one %s ID starts with %q: %s", e.Kind, e.Given, strings.Join(e.IDs, ", "))
}

// AddContainer stores c; ErrExists when its name is taken, by a pod too, and
// ErrNoPod when its pod is gone.
func (t *Tx) AddContainer(c *spec.Container, needs, volumes []string) error {
	t.lasting = t.lasting || !c.Remove // those of --rm are gone after a reboot
	if c.Pod != "" {
		if err := t.hasPod(c.Pod); err != nil {
			return err
		}
	}
	if _, err := t.exec("INSERT INTO name VALUES (?, ?, 'container')", c.Name, c.ID); err != nil {
		return err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := t.exec("INSERT INTO container VALUES (?, ?, ?, ?, ?)", c.ID, c.Name, c.Pod, c.Created.UnixNano(), string(body)); err != nil {
		return err
	}
	for _, n := range needs {
		if _, err := t.exec("INSERT OR IGNORE INTO depends VALUES (?, ?)", c.ID, n); err != nil {
			return err
		}
	}
	for _, v := range volumes {
		if _, err := t.exec("INSERT OR IGNORE INTO uses_volume VALUES (?, ?)", c.ID, v); err != nil {
			return fmt.Errorf("volume %s: %w", v, err)
		}
	}
	return nil
}

// ReplaceContainer stores a changed spec (update, rename).
func (t *Tx) ReplaceContainer(c *spec.Container) error {
	t.lasting = true
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := t.exec("UPDATE name SET name = ? WHERE id = ?", c.Name, c.ID); err != nil {
		return err
	}
	n, err := t.exec("UPDATE container SET name = ?, spec = ? WHERE id = ?", c.Name, string(body), c.ID)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// RemoveContainer forgets a container; removing one that is gone is no error.
func (t *Tx) RemoveContainer(id string) error {
	if _, err := t.exec("DELETE FROM container WHERE id = ?", id); err != nil {
		return err
	}
	_, err := t.exec("DELETE FROM name WHERE id = ?", id)
	return err
}

// NeededBy is the name of a container that cannot do without id, or that is in
// pod as well; "" if there is none.
func (t *Tx) NeededBy(id, pod string) (string, error) {
	var name string
	err := t.tx.QueryRowContext(t.ctx, neededByQuery, id, pod).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return name, sqlError(err)
}

const neededByQuery = `SELECT name FROM container JOIN depends ON depends.container = container.id WHERE depends.needs = ?1
	UNION ALL SELECT name FROM container WHERE pod = ?2 AND pod != '' AND id != ?1 LIMIT 1`

// Container finds one by name, ID or unambiguous start of its ID; a full name
// wins over a partial ID.
func (d *DB) Container(ctx context.Context, given string) (*spec.Container, error) {
	const q = `SELECT spec, 0 AS o FROM container WHERE name = ?1 OR id = ?1
		UNION ALL SELECT spec, 1 FROM container WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY o LIMIT 3`
	if given == "" {
		return nil, ErrNotFound
	}
	rows, err := d.sql.QueryContext(ctx, q, given)
	if err != nil {
		return nil, sqlError(err)
	}
	defer rows.Close()
	var found []*spec.Container
	for rows.Next() {
		var order int
		c, err := scanSpec(rows, &order)
		if err != nil {
			return nil, err
		}
		if order == 0 {
			return c, rows.Close()
		}
		found = append(found, c)
	}
	switch len(found) {
	case 0:
		return nil, errors.Join(rows.Err(), ErrNotFound)
	case 1:
		return found[0], rows.Err()
	}
	return nil, &AmbiguousError{"container", given, []string{found[0].ID[:12], found[1].ID[:12]}}
}

// Containers returns all, oldest first.
func (d *DB) Containers(ctx context.Context) ([]*spec.Container, error) {
	return d.containers(ctx, "SELECT spec, 0 FROM container ORDER BY created")
}

const dependentsQuery = "SELECT c.spec, 0 FROM container c JOIN depends d ON d.container = c.id WHERE d.needs = ? ORDER BY c.created"

// Dependents returns the containers that cannot do without id.
func (d *DB) Dependents(ctx context.Context, id string) ([]*spec.Container, error) {
	return d.containers(ctx, dependentsQuery, id)
}

// MountLabels returns the SELinux labels of all containers' files.
func (d *DB) MountLabels(ctx context.Context) ([]string, error) {
	rows, err := d.sql.QueryContext(ctx, "SELECT spec ->> '$.security.selinux.mount' AS label FROM container WHERE label IS NOT NULL")
	if err != nil {
		return nil, sqlError(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var label string
		if err := rows.Scan(&label); err != nil {
			return nil, sqlError(err)
		}
		all = append(all, label)
	}
	return all, sqlError(rows.Err())
}

func (d *DB) containers(ctx context.Context, q string, args ...any) ([]*spec.Container, error) {
	rows, err := d.sql.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, sqlError(err)
	}
	defer rows.Close()
	var all []*spec.Container
	for rows.Next() {
		var ignore int
		c, err := scanSpec(rows, &ignore)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, sqlError(rows.Err())
}

func scanSpec(rows *sql.Rows, order *int) (*spec.Container, error) {
	var body []byte
	if err := rows.Scan(&body, order); err != nil {
		return nil, sqlError(err)
	}
	c := new(spec.Container)
	if err := json.Unmarshal(body, c); err != nil {
		return nil, fmt.Errorf("cannot read a stored container: %w", err)
	}
	return c, nil
}

// NameTaken tells whether a container or pod has that name.
func (d *DB) NameTaken(ctx context.Context, name string) (bool, error) {
	var n int
	err := d.sql.QueryRowContext(ctx, "SELECT count(*) FROM name WHERE name = ?", name).Scan(&n)
	return n > 0, sqlError(err)
}
