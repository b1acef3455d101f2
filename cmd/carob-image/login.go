package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containers/image/v5/types"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/carob-containers/carob/pkg/transfer"
)

type loginOptions struct {
	files         transfer.AuthFiles
	user          string
	password      string
	passwordStdin bool
	getLogin      bool
	verbose       bool
}

// addAuthFlags are those of login and logout.
func addAuthFlags(f *pflag.FlagSet, files *transfer.AuthFiles, access *transfer.Access) {
	f.StringVar(&files.File, "authfile", os.Getenv("REGISTRY_AUTH_FILE"), "file to keep the credentials in")
	f.StringVar(&files.CompatFile, "compat-auth-file", "", "file to keep the credentials in, in docker's format")
	f.StringVar(&files.CertDir, "cert-dir", "", "directory with the certificates for the registry")
	addTLSVerify(f, access)
}

func newLogin(a *app) *cobra.Command {
	var o loginOptions
	var tls transfer.Access
	cmd := &cobra.Command{
		Use:   "login [options] [REGISTRY]",
		Short: "Log into a registry",
		Example: `carob login quay.io
carob login -u me --password-stdin registry.example:5000 < password`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files.TLSVerify = tls.TLSVerify
			if cmd.Flags().Changed("compat-auth-file") && !cmd.Flags().Changed("authfile") {
				o.files.File = ""
			}
			return runLogin(cmd.Context(), a, &o, args)
		},
	}
	f := cmd.Flags()
	addAuthFlags(f, &o.files, &tls)
	f.StringVarP(&o.user, "username", "u", "", "user name")
	f.StringVarP(&o.password, "password", "p", "", "password")
	f.BoolVar(&o.passwordStdin, "password-stdin", false, "read the password from standard input")
	f.BoolVar(&o.getLogin, "get-login", false, "print who is logged in and stop")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say where the credentials are kept")
	return cmd
}

// authClient is a client without a store: no namespaces are needed.
func (a *app) authClient() (*transfer.Client, error) {
	if err := giveRuntimeDir(); err != nil {
		return nil, err
	}
	return transfer.New(nil, nil, a.err, version), nil
}

func registryArg(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func runLogin(ctx context.Context, a *app, o *loginOptions, args []string) error {
	client, err := a.authClient()
	if err != nil {
		return err
	}
	key, err := client.Registry(registryArg(args), o.files)
	if err != nil {
		return err
	}
	known, knownPassword, err := client.User(key, o.files)
	var notLoggedIn *transfer.NotLoggedInError
	if err != nil && (o.getLogin || !errors.As(err, &notLoggedIn)) {
		return err
	}
	if o.getLogin {
		_, err := fmt.Fprintln(a.out, known)
		return err
	}
	if o.passwordStdin {
		if err := a.passwordFromStdin(o); err != nil {
			return err
		}
	} else if known != "" && o.password == "" && (o.user == "" || o.user == known) {
		fmt.Fprintf(a.err, "Authenticating with existing credentials for %s\n", key)
		if client.CheckLogin(ctx, key, known, knownPassword, o.files) == nil {
			fmt.Fprintf(a.out, "Existing credentials are valid. Already logged in to %s\n", key)
			return nil
		}
		fmt.Fprintln(a.err, "Existing credentials are invalid, please enter valid username and password")
	}
	if err := a.askLogin(ctx, o, known); err != nil {
		return err
	}
	where, err := client.Login(ctx, key, o.user, o.password, o.files)
	if err != nil {
		return err
	}
	if o.verbose {
		fmt.Fprintln(a.out, "Used: ", where)
	}
	_, err = fmt.Fprintln(a.out, "Login Succeeded!")
	return err
}

func (a *app) passwordFromStdin(o *loginOptions) error {
	if o.password != "" {
		return errors.New("cannot use --password together with --password-stdin")
	}
	if o.user == "" {
		return errors.New("cannot use --password-stdin without --username")
	}
	raw, err := io.ReadAll(a.in)
	if err != nil {
		return fmt.Errorf("cannot read the password: %w", err)
	}
	if o.password = strings.TrimRight(string(raw), "\r\n"); o.password == "" {
		return errors.New("cannot log in: there is no password in standard input")
	}
	return nil
}

// askLogin asks for what is missing.
func (a *app) askLogin(ctx context.Context, o *loginOptions, known string) error {
	if o.user != "" && o.password != "" {
		return nil
	}
	if !term.IsTerminal(int(a.in.Fd())) {
		return errors.New("cannot ask for user name and password: standard input is not a terminal; use --username and --password-stdin")
	}
	if o.user == "" {
		prompt := "Username: "
		if known != "" {
			prompt = fmt.Sprintf("Username (%s): ", known)
		}
		fmt.Fprint(a.err, prompt)
		text, err := bufio.NewReader(a.in).ReadString('\n')
		if err != nil {
			return fmt.Errorf("cannot read the user name: %w", err)
		}
		if o.user = strings.TrimSpace(text); o.user == "" {
			o.user = known
		}
	}
	if o.password == "" {
		password, err := a.readSecret(ctx, "Password: ")
		if err != nil {
			return err
		}
		o.password = password
	}
	return nil
}

func newLogout(a *app) *cobra.Command {
	var files transfer.AuthFiles
	var tls transfer.Access
	all := false
	cmd := &cobra.Command{
		Use:   "logout [options] [REGISTRY]",
		Short: "Forget the credentials for a registry",
		Example: `carob logout quay.io
carob logout --all`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files.TLSVerify = types.OptionalBoolUndefined
			if cmd.Flags().Changed("compat-auth-file") && !cmd.Flags().Changed("authfile") {
				files.File = ""
			}
			return runLogout(a, files, all, args)
		},
	}
	addAuthFlags(cmd.Flags(), &files, &tls)
	for _, unused := range []string{"cert-dir", "tls-verify"} {
		_ = cmd.Flags().MarkHidden(unused)
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "forget the credentials for all registries")
	return cmd
}

func runLogout(a *app, files transfer.AuthFiles, all bool, args []string) error {
	client, err := a.authClient()
	if err != nil {
		return err
	}
	if all {
		if len(args) > 0 {
			return errors.New("cannot use --all together with a registry")
		}
		if err := client.LogoutAll(files); err != nil {
			return err
		}
		_, err := fmt.Fprintln(a.out, "Removed login credentials for all registries")
		return err
	}
	key, err := client.Registry(registryArg(args), files)
	if err != nil {
		return err
	}
	if err := client.Logout(key, files); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "Removed login credentials for %s\n", key)
	return err
}
