package libpod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carob-containers/carob/libpod/spec"
	"github.com/carob-containers/carob/libpod/store"
)

// maxSecret is podman's limit in bytes; a secret is smaller.
const maxSecret = 512000

// NoSecretError says that there is no such secret.
type NoSecretError struct{ Name string }

func (e *NoSecretError) Error() string {
	return fmt.Sprintf("no secret with name or id %q: no such secret", e.Name)
}

// CreateSecret stores data under a name. With replace, it takes the place of
// a secret of that name; otherwise store.ErrExists is in the error. s gets its
// ID and times.
//
// The data is on disk before the row that names it, so that no row is ever
// without data; data without a row is among the Leftovers.
func (rt *Runtime) CreateSecret(ctx context.Context, s *spec.StoredSecret, data []byte, replace bool) error {
	if err := rt.writeSecret(s, data); err != nil {
		return err
	}
	old, err := rt.storeSecret(ctx, s, replace)
	if err != nil {
		return errors.Join(err, os.Remove(rt.dirs.Secret(s.ID)))
	}
	if old != "" {
		return rt.removeSecretData(old)
	}
	return nil
}

// removeSecretData removes what no row names any more, also after a power cut.
func (rt *Runtime) removeSecretData(id string) error {
	if err := rt.db.Settle(); err != nil {
		return err
	}
	return ignoreMissing(os.Remove(rt.dirs.Secret(id)))
}

// writeSecret gives s its ID and times, and writes its data.
func (rt *Runtime) writeSecret(s *spec.StoredSecret, data []byte) error {
	if err := checkSecret(s, data); err != nil {
		return fmt.Errorf("cannot create secret %q: %w", s.Name, err)
	}
	if s.ID == "" {
		s.ID = newSecretID()
	}
	s.Created = time.Now()
	s.Updated, s.Driver = s.Created, "file"
	s.Options = map[string]string{"path": filepath.Dir(rt.dirs.Secret(s.ID))}
	// On the disk before its row is: the secret that it replaces is removed then.
	f, err := os.OpenFile(rt.dirs.Secret(s.ID), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_SYNC, 0o600)
	if err == nil {
		_, err = f.Write(data)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot create secret %s: %w", s.Name, err), ignoreMissing(os.Remove(rt.dirs.Secret(s.ID))))
	}
	return nil
}

func newSecretID() string { return newID()[:25] }

func checkSecret(s *spec.StoredSecret, data []byte) error {
	switch {
	case len(s.Name) == 0 || len(s.Name) > 253 || strings.ContainsAny(s.Name, ",/=\x00\n"):
		return errors.New("a name has 1 to 253 characters, and none of them is a comma, a slash, an equals sign or a line's end")
	case s.Driver != "" && s.Driver != "file":
		return fmt.Errorf("there is no secret driver %q: carob has file", s.Driver)
	case len(data) == 0 || len(data) >= maxSecret:
		return fmt.Errorf("secret data must be larger than 0 and less than %d bytes", maxSecret)
	}
	return nil
}

// storeSecret returns the ID of the secret that was replaced, if any.
func (rt *Runtime) storeSecret(ctx context.Context, s *spec.StoredSecret, replace bool) (old string, err error) {
	err = rt.db.Update(ctx, func(t *store.Tx) error {
		if replace {
			have, err := t.SecretNamed(s.Name)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if err == nil {
				old, s.Created = have.ID, have.Created
				if err := t.RemoveSecret(old); err != nil {
					return err
				}
			}
		}
		return t.AddSecret(s)
	})
	if errors.Is(err, store.ErrExists) {
		err = fmt.Errorf("%s: secret name in use: %w", s.Name, err)
	}
	return old, err
}

// supersedeSecret stores data under the name of old, which gets the name aside
// in the same transaction.
func (rt *Runtime) supersedeSecret(ctx context.Context, old, s *spec.StoredSecret, data []byte, aside string) error {
	if err := rt.writeSecret(s, data); err != nil {
		return err
	}
	s.Created = old.Created
	err := rt.db.Update(ctx, func(t *store.Tx) error {
		if err := t.RenameSecret(old, aside); err != nil {
			return err
		}
		return t.AddSecret(s)
	})
	if err != nil {
		return errors.Join(fmt.Errorf("cannot replace secret %s: %w", s.Name, err), os.Remove(rt.dirs.Secret(s.ID)))
	}
	return nil
}

// holds tells whether a secret holds that data.
func (rt *Runtime) holds(s *spec.StoredSecret, data []byte) (bool, error) {
	have, err := rt.SecretData(s)
	return err == nil && bytes.Equal(have, data), err
}

// Secret finds a secret by name, ID or unambiguous start of its ID.
func (rt *Runtime) Secret(ctx context.Context, given string) (*spec.StoredSecret, error) {
	s, err := rt.db.Secret(ctx, given)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &NoSecretError{given}
	}
	return s, err
}

// secretNamed finds a secret by its whole name.
func (rt *Runtime) secretNamed(ctx context.Context, name string) (*spec.StoredSecret, error) {
	s, err := rt.db.SecretNamed(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &NoSecretError{name}
	}
	return s, err
}

// SecretData is what the secret holds.
func (rt *Runtime) SecretData(s *spec.StoredSecret) ([]byte, error) {
	data, err := os.ReadFile(rt.dirs.Secret(s.ID))
	if err != nil {
		return nil, fmt.Errorf("cannot read secret %s: %w", s.Name, err)
	}
	return data, nil
}

// Secrets returns all secrets by name.
func (rt *Runtime) Secrets(ctx context.Context) ([]*spec.StoredSecret, error) {
	return rt.db.Secrets(ctx)
}

// RemoveSecret removes a secret and returns its ID. Containers that use it
// keep what they were started with, and cannot be started again.
func (rt *Runtime) RemoveSecret(ctx context.Context, given string) (string, error) {
	s, err := rt.Secret(ctx, given)
	if err != nil {
		return "", err
	}
	return s.ID, rt.dropSecret(ctx, s.ID)
}

// dropSecret removes the secret of that whole ID, if it is there.
func (rt *Runtime) dropSecret(ctx context.Context, id string) error {
	if err := rt.db.Update(ctx, func(t *store.Tx) error { return t.RemoveSecret(id) }); err != nil {
		return err
	}
	return rt.removeSecretData(id)
}

// checkSecrets refuses a container whose secrets are not there.
func (rt *Runtime) checkSecrets(ctx context.Context, list []spec.Secret) error {
	for _, s := range list {
		if _, err := rt.Secret(ctx, s.Source); err != nil {
			return err
		}
	}
	return nil
}
