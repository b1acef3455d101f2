// Package transfer moves images between the store and everything else:
// registries, archives, directories, other programs' storage. It is the only
// user of containers/image, and only carob-image links it.
package transfer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containers/image/v5/docker/reference"
	"github.com/containers/image/v5/signature"
	istorage "github.com/containers/image/v5/storage"
	"github.com/containers/image/v5/types"

	"github.com/carob-containers/carob/pkg/image"
)

// Client does transfers for one store.
type Client struct {
	store *image.Store
	// progress gets what happens meanwhile: bars when it is a terminal,
	// lines otherwise.
	progress io.Writer
	warnings io.Writer
	version  string
	swept    bool // see sweep

	// Parallel is how many layers are moved at once; 0 is the default.
	Parallel uint
}

// New makes a client. Progress and warnings go to the writers, which several
// layers may use at once; a nil progress keeps it quiet. store may be nil for login, logout and search.
func New(store *image.Store, progress, warnings io.Writer, version string) *Client {
	if progress == nil {
		progress = io.Discard
	}
	return &Client{store: store, progress: progress, warnings: warnings, version: version}
}

func (c *Client) warn(format string, args ...any) {
	fmt.Fprintf(c.warnings, format+"\n", args...)
}

// Access says how registries are spoken to.
type Access struct {
	AuthFile        string
	CertDir         string
	Credentials     string // USER[:PASSWORD]
	TLSVerify       types.OptionalBool
	SignaturePolicy string // file; "" the default policy.json
	OS, Arch        string // "" the host's
	Variant         string
}

// Context gives access as containers/image takes it.
func (c *Client) context(a Access) (*types.SystemContext, error) {
	sys := &types.SystemContext{
		AuthFilePath:             a.AuthFile,
		DockerCertPath:           a.CertDir,
		OCICertPath:              a.CertDir,
		DockerDaemonCertPath:     a.CertDir,
		SignaturePolicyPath:      a.SignaturePolicy,
		OSChoice:                 a.OS,
		ArchitectureChoice:       a.Arch,
		VariantChoice:            a.Variant,
		BigFilesTemporaryDir:     tempDir(),
		DockerRegistryUserAgent:  "carob/" + c.version,
		SystemRegistriesConfPath: os.Getenv("CONTAINERS_REGISTRIES_CONF"),
	}
	if a.AuthFile != "" {
		if _, err := os.Stat(a.AuthFile); err != nil {
			return nil, fmt.Errorf("cannot use the credentials file: %w", err)
		}
	}
	if a.TLSVerify != types.OptionalBoolUndefined {
		skip := a.TLSVerify == types.OptionalBoolFalse
		sys.DockerInsecureSkipTLSVerify = types.NewOptionalBool(skip)
		sys.OCIInsecureSkipTLSVerify = skip
		sys.DockerDaemonInsecureSkipTLSVerify = skip
	}
	if a.Credentials != "" {
		user, password, _ := strings.Cut(a.Credentials, ":")
		if user == "" {
			return nil, errors.New("cannot use the credentials: the user name is empty")
		}
		sys.DockerAuthConfig = &types.DockerAuthConfig{Username: user, Password: password}
	}
	return sys, nil
}

// tempDir is for files that may be as big as an image. /tmp is often memory.
func tempDir() string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return dir
	}
	return "/var/tmp"
}

// policyError is a signature policy that is not there or not readable.
type policyError struct{ err error }

func (e *policyError) Error() string {
	return fmt.Sprintf("cannot read the signature policy: %v", e.err)
}
func (e *policyError) Unwrap() error { return e.err }

func (e *policyError) Hint() string {
	if !errors.Is(e.err, os.ErrNotExist) && !strings.Contains(e.err.Error(), "no policy.json file found") {
		return "containers-policy.json(5) describes the file"
	}
	return `to accept any image, write {"default":[{"type":"insecureAcceptAnything"}]} to ~/.config/containers/policy.json`
}

// policy reads policy.json; the caller destroys it.
func policy(sys *types.SystemContext) (*signature.PolicyContext, error) {
	p, err := signature.DefaultPolicy(sys)
	if err != nil {
		return nil, &policyError{err}
	}
	return signature.NewPolicyContext(p)
}

// stored is a reference into the store, by name, by ID, or both.
func (c *Client) stored(name string, id string) (types.ImageReference, error) {
	var named reference.Named
	if name != "" {
		n, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return nil, fmt.Errorf("cannot use %s as an image name: %w", name, err)
		}
		named = reference.TagNameOnly(n)
	}
	return istorage.Transport.NewStoreReference(c.store.Storage(), named, id)
}
