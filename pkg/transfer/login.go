package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containers/image/v5/docker"
	"github.com/containers/image/v5/pkg/docker/config"
	"github.com/containers/image/v5/pkg/sysregistriesv2"
	"github.com/containers/image/v5/types"
)

// AuthFiles say where credentials are kept; empty fields leave it to the
// lookup of containers-auth.json(5).
type AuthFiles struct {
	File       string
	CompatFile string // docker's config.json
	CertDir    string
	TLSVerify  types.OptionalBool
}

func (c *Client) authContext(f AuthFiles) (*types.SystemContext, error) {
	if f.File != "" && f.CompatFile != "" {
		return nil, errors.New("cannot use --authfile together with --compat-auth-file")
	}
	sys, err := c.context(Access{CertDir: f.CertDir, TLSVerify: f.TLSVerify})
	if err != nil {
		return nil, err
	}
	sys.AuthFilePath, sys.DockerCompatAuthFilePath = f.File, f.CompatFile
	return sys, nil
}

// NotLoggedInError is a registry without credentials here.
type NotLoggedInError struct{ Registry string }

func (e *NotLoggedInError) Error() string { return "not logged into " + e.Registry }

// Registry makes the key credentials are kept under from what was typed:
// HOST[:PORT][/NAMESPACE...]; "" is the first of the search registries.
func (c *Client) Registry(typed string, f AuthFiles) (string, error) {
	if typed == "" {
		sys, err := c.authContext(f)
		if err != nil {
			return "", err
		}
		search, err := sysregistriesv2.UnqualifiedSearchRegistries(sys)
		if err != nil {
			return "", err
		}
		if len(search) == 0 {
			return "", errors.New("no registry was named, and registries.conf has none to search")
		}
		return search[0], nil
	}
	key := strings.TrimSuffix(typed, "/")
	if after, ok := strings.CutPrefix(key, "https://"); ok {
		key, _, _ = strings.Cut(after, "/")
	} else if after, ok := strings.CutPrefix(key, "http://"); ok {
		key, _, _ = strings.Cut(after, "/")
	}
	if key == "" || strings.ContainsAny(key, " @\t") || strings.HasPrefix(key, "/") || strings.Contains(key, "//") {
		return "", fmt.Errorf("cannot log into %q: it is not HOST[:PORT][/NAMESPACE]", typed)
	}
	return key, nil
}

// host is the part of a key that is spoken to.
func host(key string) string {
	h, _, _ := strings.Cut(key, "/")
	return h
}

// User is the name one is logged in as. A *NotLoggedInError says there is none.
func (c *Client) User(key string, f AuthFiles) (user, password string, err error) {
	sys, err := c.authContext(f)
	if err != nil {
		return "", "", err
	}
	creds, err := config.GetCredentials(sys, key)
	if err != nil {
		return "", "", fmt.Errorf("cannot read the credentials of %s: %w", key, err)
	}
	if creds.Username == "" {
		return "", "", &NotLoggedInError{key}
	}
	return creds.Username, creds.Password, nil
}

// Login checks the credentials with the registry and keeps them. It returns
// where.
func (c *Client) Login(ctx context.Context, key, user, password string, f AuthFiles) (string, error) {
	sys, err := c.authContext(f)
	if err != nil {
		return "", err
	}
	if err := c.CheckLogin(ctx, key, user, password, f); err != nil {
		return "", err
	}
	if f.File != "" {
		if err := os.MkdirAll(filepath.Dir(f.File), 0o700); err != nil {
			return "", fmt.Errorf("cannot keep the credentials: %w", err)
		}
	}
	where, err := config.SetCredentials(sys, key, user, password)
	if err != nil {
		return "", fmt.Errorf("cannot keep the credentials of %s: %w", key, line{err})
	}
	return where, nil
}

// CheckLogin asks the registry whether it takes the credentials.
func (c *Client) CheckLogin(ctx context.Context, key, user, password string, f AuthFiles) error {
	sys, err := c.authContext(f)
	if err != nil {
		return err
	}
	err = docker.CheckAuth(ctx, sys, user, password, host(key))
	var refused docker.ErrUnauthorizedForCredentials
	if errors.As(err, &refused) {
		return fmt.Errorf("cannot log into %s: the user name or the password is wrong", key)
	}
	return explain("log into", key, err)
}

// Logout forgets the credentials of a registry.
func (c *Client) Logout(key string, f AuthFiles) error {
	sys, err := c.authContext(f)
	if err != nil {
		return err
	}
	err = config.RemoveAuthentication(sys, key)
	if !errors.Is(err, config.ErrNotLoggedIn) {
		return err
	}
	// Credentials that only docker's own file has are not ours to remove.
	if user, _, err := c.User(key, f); err == nil && user != "" {
		return &hinted{fmt.Errorf("not logged into %s with carob: the credentials are in another program's file", key), "docker logout " + key}
	}
	return &NotLoggedInError{key}
}

// LogoutAll forgets all credentials.
func (c *Client) LogoutAll(f AuthFiles) error {
	sys, err := c.authContext(f)
	if err != nil {
		return err
	}
	return config.RemoveAllAuthentication(sys)
}
