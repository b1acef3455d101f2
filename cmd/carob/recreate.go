package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/pkg/unitfile/generate"
)

var errNoCreateCommand = errors.New("no create command is known")

// withoutCreds is a command line as inspect and units are to show it: without
// --creds, whose value was creds.
func withoutCreds(argv []string, creds string) []string {
	for i, word := range argv {
		switch {
		case creds == "":
		case word == "--creds="+creds:
			return slices.Concat(argv[:i], argv[i+1:])
		case word == "--creds" && i+1 < len(argv) && argv[i+1] == creds:
			return slices.Concat(argv[:i], argv[i+2:])
		}
	}
	return argv
}

// withoutPasswords hides those that stand in addresses.
func withoutPasswords(argv []string) []string {
	shown := slices.Clone(argv)
	for i, word := range argv {
		if u, err := url.Parse(word); err == nil && u.User != nil && u.Host != "" {
			shown[i] = u.Redacted()
		}
	}
	return shown
}

// containerCommand takes apart the command that has made a container. Other
// commands than create and run make containers in ways of their own.
func containerCommand(argv []string, env map[string]string) (*generate.Command, error) {
	flags := newRun(newApp()).Flags()
	c, err := commandParts(argv, flags, "run", "create", "container run", "container create")
	if err != nil {
		return nil, err
	}
	if c.Value("rmi") == "true" {
		return nil, errors.New("it was made with --rmi, which takes its image away")
	}
	c.Env = takenFromEnv(c.Flags, env)
	return c, nil
}

// podCommand does so for a pod.
func podCommand(argv []string) (*generate.Command, error) {
	return commandParts(argv, newPodCreate(newApp()).Flags(), "pod create")
}

// commandParts takes argv apart, if it is one of the commands named.
func commandParts(argv []string, flags *pflag.FlagSet, names ...string) (*generate.Command, error) {
	if len(argv) == 0 {
		return nil, errNoCreateCommand
	}
	global := newGlobalRoot(newApp()).PersistentFlags()
	given, rest, err := flagsOf(global, argv[1:])
	if err != nil {
		return nil, err
	}
	carob := []string{argv[0]}
	for _, f := range given {
		carob = append(carob, "--"+f.Name+"="+f.Value)
	}
	for _, name := range names {
		words := strings.Fields(name)
		if len(rest) < len(words) || !slices.Equal(rest[:len(words)], words) {
			continue
		}
		c := &generate.Command{Carob: carob}
		c.Flags, c.Args, err = flagsOf(flags, rest[len(words):])
		return c, err
	}
	return nil, fmt.Errorf("it was made by %s %s, and not by one of: %s", argv[0], strings.Join(rest[:min(2, len(rest))], " "), strings.Join(names, ", "))
}

// flagsOf reads words up to the first that is no flag.
func flagsOf(set *pflag.FlagSet, words []string) ([]generate.Flag, []string, error) {
	var list []generate.Flag
	set.SetInterspersed(set.Lookup("infra") != nil) // pod create has no words of others behind its name
	err := set.ParseAll(words, func(f *pflag.Flag, value string) error {
		bare := f.NoOptDefVal != "" && value == f.NoOptDefVal
		list = append(list, generate.Flag{Name: f.Name, Value: value, Bare: bare})
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("its create command cannot be understood: %w", err)
	}
	return list, set.Args(), nil
}

// takenFromEnv are the variables that --env takes from the caller's
// environment, with the values that the container got.
func takenFromEnv(flags []generate.Flag, env map[string]string) []string {
	var taken []string
	for _, f := range flags {
		if f.Name != "env" || strings.Contains(f.Value, "=") {
			continue
		}
		prefix, many := strings.CutSuffix(f.Value, "*")
		for _, name := range slices.Sorted(maps.Keys(env)) {
			if name == f.Value || many && strings.HasPrefix(name, prefix) {
				taken = append(taken, name+"="+env[name])
			}
		}
	}
	return taken
}
