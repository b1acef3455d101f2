package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/carob-containers/carob/libpod/spec"
)

// AddVolume stores v; ErrExists when there is one of that name.
func (t *Tx) AddVolume(v *spec.Volume) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = t.exec("INSERT INTO volume VALUES (?, ?, ?)", v.Name, v.Created.UnixNano(), string(body))
	t.lasting = t.lasting || err == nil
	return err
}

// EnsureVolume stores v unless a volume of that name is there, and tells which.
func (t *Tx) EnsureVolume(v *spec.Volume) (made bool, err error) {
	err = t.AddVolume(v)
	if errors.Is(err, ErrExists) {
		return false, nil
	}
	return err == nil, err
}

const volumeUsersQuery = "SELECT container FROM uses_volume WHERE volume = ?"

// RemoveVolume forgets a volume that nobody uses. The users are returned
// otherwise, and nothing changes.
func (t *Tx) RemoveVolume(name string) (users []string, err error) {
	rows, err := t.tx.QueryContext(t.ctx, volumeUsersQuery, name)
	if err != nil {
		return nil, sqlError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, sqlError(err)
		}
		users = append(users, id)
	}
	if err := rows.Err(); err != nil || len(users) > 0 {
		return users, sqlError(err)
	}
	_, err = t.exec("DELETE FROM volume WHERE name = ?", name)
	return nil, err
}

// HasVolume tells whether there is a volume of that name.
func (t *Tx) HasVolume(name string) (bool, error) {
	var n int
	err := t.tx.QueryRowContext(t.ctx, "SELECT count(*) FROM volume WHERE name = ?", name).Scan(&n)
	return n > 0, sqlError(err)
}

// Volumes returns all volumes by name.
func (d *DB) Volumes(ctx context.Context) ([]*spec.Volume, error) {
	return list[spec.Volume](ctx, d.sql, "SELECT spec FROM volume ORDER BY name")
}

// Volume finds one by its full name.
func (d *DB) Volume(ctx context.Context, name string) (*spec.Volume, error) {
	return one[spec.Volume](ctx, d.sql, "SELECT spec FROM volume WHERE name = ?", name)
}

// VolumeUsers maps volume names to the containers that use them.
func (d *DB) VolumeUsers(ctx context.Context) (map[string][]string, error) {
	rows, err := d.sql.QueryContext(ctx, "SELECT volume, container FROM uses_volume")
	if err != nil {
		return nil, sqlError(err)
	}
	defer rows.Close()
	users := map[string][]string{}
	for rows.Next() {
		var v, c string
		if err := rows.Scan(&v, &c); err != nil {
			return nil, sqlError(err)
		}
		users[v] = append(users[v], c)
	}
	return users, sqlError(rows.Err())
}

// AddSecret stores s; ErrExists when the name is taken.
func (t *Tx) AddSecret(s *spec.StoredSecret) error {
	t.lasting = true
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = t.exec("INSERT INTO secret VALUES (?, ?, ?, ?)", s.ID, s.Name, s.Created.UnixNano(), string(body))
	return err
}

// RenameSecret gives a stored secret another name; ErrExists when that is
// taken.
func (t *Tx) RenameSecret(s *spec.StoredSecret, name string) error {
	t.lasting = true
	s.Name = name
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	n, err := t.exec("UPDATE secret SET name = ?, spec = ? WHERE id = ?", name, string(body), s.ID)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// RemoveSecret forgets a secret.
func (t *Tx) RemoveSecret(id string) error {
	t.lasting = true
	_, err := t.exec("DELETE FROM secret WHERE id = ?", id)
	return err
}

// SecretNamed finds the secret of that name.
func (t *Tx) SecretNamed(name string) (*spec.StoredSecret, error) {
	return one[spec.StoredSecret](t.ctx, t.tx, secretNamedQuery, name)
}

// Secrets returns all secrets by name.
func (d *DB) Secrets(ctx context.Context) ([]*spec.StoredSecret, error) {
	return list[spec.StoredSecret](ctx, d.sql, "SELECT spec FROM secret ORDER BY name")
}

// Secret finds one by name, ID or unambiguous start of its ID.
func (d *DB) Secret(ctx context.Context, given string) (*spec.StoredSecret, error) {
	s, err := one[spec.StoredSecret](ctx, d.sql, "SELECT spec FROM secret WHERE name = ?1 OR id = ?1", given)
	if !errors.Is(err, ErrNotFound) || given == "" {
		return s, err
	}
	some, err := list[spec.StoredSecret](ctx, d.sql, "SELECT spec FROM secret WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2", given)
	switch {
	case err != nil:
		return nil, err
	case len(some) == 0:
		return nil, ErrNotFound
	case len(some) > 1:
		return nil, &AmbiguousError{"secret", given, []string{some[0].ID, some[1].ID}}
	}
	return some[0], nil
}

// SecretNamed finds one by its whole name.
func (d *DB) SecretNamed(ctx context.Context, name string) (*spec.StoredSecret, error) {
	return one[spec.StoredSecret](ctx, d.sql, secretNamedQuery, name)
}

const secretNamedQuery = "SELECT spec FROM secret WHERE name = ?"

// querier is the database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error)
}

func list[T any](ctx context.Context, from querier, q string, args ...any) ([]*T, error) {
	rows, err := from.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, sqlError(err)
	}
	defer rows.Close()
	var all []*T
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, sqlError(err)
		}
		v := new(T)
		if err := json.Unmarshal(body, v); err != nil {
			return nil, fmt.Errorf("cannot read a stored object: %w", err)
		}
		all = append(all, v)
	}
	return all, sqlError(rows.Err())
}

func one[T any](ctx context.Context, from querier, q string, args ...any) (*T, error) {
	all, err := list[T](ctx, from, q, args...)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrNotFound
	}
	return all[0], nil
}
