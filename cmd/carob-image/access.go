package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/containers/image/v5/types"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/carob-containers/carob/pkg/transfer"
)

// access are the flags of every command that speaks to a registry.
type access struct {
	transfer.Access
}

func (o *access) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.AuthFile, "authfile", os.Getenv("REGISTRY_AUTH_FILE"), "file with the credentials for registries")
	f.StringVar(&o.CertDir, "cert-dir", "", "directory with the certificates for the registry")
	addTLSVerify(f, &o.Access)
}

func (o *access) addCopyFlags(f *pflag.FlagSet) {
	o.addFlags(f)
	f.StringVar(&o.Credentials, "creds", "", "USER[:PASSWORD] for the registry")
	f.StringVar(&o.SignaturePolicy, "signature-policy", "", "signature policy file")
	_ = f.MarkHidden("signature-policy")
	// What it turned off in docker was never there in podman or here.
	f.Bool("disable-content-trust", true, "of no effect, for docker's sake")
	_ = f.MarkHidden("disable-content-trust")
}

// tlsVerify is --tls-verify, which has a third state: registries.conf decides.
type tlsVerify struct{ access *transfer.Access }

func addTLSVerify(f *pflag.FlagSet, a *transfer.Access) {
	f.VarPF(tlsVerify{a}, "tls-verify", "", "require HTTPS and valid certificates").NoOptDefVal = "true"
}

func (v tlsVerify) String() string { return "" }
func (v tlsVerify) Type() string   { return "bool" }
func (v tlsVerify) Set(text string) error {
	verify, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("it is neither true nor false")
	}
	v.access.TLSVerify = types.NewOptionalBool(verify)
	return nil
}

// platform are --platform, --os, --arch and --variant.
type platform struct {
	platform string
	access   *transfer.Access
}

func (p *platform) addFlags(f *pflag.FlagSet, a *transfer.Access) {
	p.access = a
	f.StringVar(&p.platform, "platform", "", "OS/ARCH[/VARIANT] of the image")
	f.StringVar(&a.OS, "os", "", "operating system of the image")
	f.StringVar(&a.Arch, "arch", "", "architecture of the image")
	f.StringVar(&a.Variant, "variant", "", "variant of the architecture")
}

func (p *platform) complete() error {
	if p.platform != "" {
		if p.access.OS != "" || p.access.Arch != "" {
			return errors.New("cannot use --platform together with --os or --arch")
		}
		parts := strings.Split(p.platform, "/")
		if len(parts) > 3 {
			return fmt.Errorf("cannot use platform %q: it is not OS/ARCH[/VARIANT]", p.platform)
		}
		p.access.OS = parts[0]
		if len(parts) > 1 {
			p.access.Arch = parts[1]
		} else {
			p.access.Arch = runtime.GOARCH
		}
		if len(parts) > 2 {
			p.access.Variant = parts[2]
		}
	}
	// The names of uname(1) for what the image specification calls otherwise.
	switch p.access.Arch {
	case "x86_64", "x86-64":
		p.access.Arch = "amd64"
	case "aarch64":
		p.access.Arch = "arm64"
	case "armhf", "armv7l":
		p.access.Arch, p.access.Variant = "arm", "v7"
	}
	return nil
}

// askPassword prompts for what --creds left out.
func (a *app) askPassword(ctx context.Context, o *transfer.Access) error {
	if o.Credentials == "" || strings.Contains(o.Credentials, ":") {
		return nil
	}
	password, err := a.readSecret(ctx, "Password: ")
	if err != nil {
		return err
	}
	o.Credentials += ":" + password
	return nil
}

// readSecret reads a line without showing it. Interrupted, it gives the
// terminal its echo back.
func (a *app) readSecret(ctx context.Context, prompt string) (string, error) {
	fd := int(a.in.Fd())
	if !term.IsTerminal(fd) {
		return "", errors.New("cannot ask for the password: standard input is not a terminal")
	}
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("cannot read the password: %w", err)
	}
	// Before the prompt: who is quick to answer must not see the answer.
	if err := noEcho(fd); err != nil {
		return "", fmt.Errorf("cannot read the password: %w", err)
	}
	defer term.Restore(fd, before)
	fmt.Fprint(a.err, prompt)
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		answers <- answer{text, err}
	}()
	select {
	case got := <-answers:
		fmt.Fprintln(a.err)
		if got.err != nil {
			return "", fmt.Errorf("cannot read the password: %w", got.err)
		}
		return string(got.text), nil
	case <-ctx.Done():
		fmt.Fprintln(a.err)
		return "", errors.Join(errors.New("cannot read the password: interrupted"), term.Restore(fd, before))
	}
}

func noEcho(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Lflag &^= unix.ECHO
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}
