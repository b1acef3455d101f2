package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/libpod/spec"
)

// completeImageThenFiles completes an image and then what follows it.
func (a *app) completeImageThenFiles(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.completeImages(cmd, args, typed)
}

// completeContainerFlags completes the values of flags that have a few.
func (a *app) completeContainerFlags(cmd *cobra.Command) {
	for flag, words := range map[string][]string{
		"pull":              {"always", "missing", "never", "newer"},
		"restart":           {"no", "always", "on-failure", "unless-stopped"},
		"log-driver":        {"k8s-file", "json-file", "journald", "none", "passthrough"},
		"cgroups":           {"enabled", "disabled", "no-conmon", "split"},
		"systemd":           {"true", "false", "always"},
		"sdnotify":          {"container", "conmon", "healthy", "ignore"},
		"image-volume":      {"anonymous", "tmpfs", "ignore"},
		"attach":            {"stdin", "stdout", "stderr"},
		"health-on-failure": {"none", "kill", "restart", "stop"},
		"security-opt":      {"no-new-privileges", "seccomp=", "label=", "apparmor=", "mask=", "unmask=", "proc-opts="},
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	}
	for flag, words := range map[string][]string{
		"network":  {"none", "host", "private", "pasta", "slirp4netns", "container:", "ns:"},
		"pid":      {"private", "host", "container:", "ns:"},
		"ipc":      {"private", "shareable", "host", "none", "container:", "ns:"},
		"uts":      {"private", "host", "container:", "ns:"},
		"cgroupns": {"private", "host", "container:", "ns:"},
		"userns":   {"host", "keep-id", "auto", "nomap", "container:", "ns:"},
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, a.completeNamespace(words))
	}
	for _, flag := range []string{"volumes-from", "requires"} {
		_ = cmd.RegisterFlagCompletionFunc(flag, a.completeContainers)
	}
	for _, flag := range []string{"cap-add", "cap-drop"} {
		completeWords(cmd, flag, append(libpod.CapabilityNames(), "ALL")...)
	}
	completeWords(cmd, "mount", "type=bind,", "type=volume,", "type=tmpfs,", "type=image,", "type=devpts,", "type=glob,")
	completeWords(cmd, "stop-signal", spec.SignalNames()...)
	_ = cmd.RegisterFlagCompletionFunc("volume", a.completeVolumesOrFiles)
}

// completeNamespace offers the modes of a namespace and, after "container:",
// the containers that can be joined.
func (a *app) completeNamespace(modes []string) cobra.CompletionFunc {
	const join = "container:"
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		name, ok := strings.CutPrefix(typed, join)
		if !ok {
			return modes, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		names, directive := a.completeContainers(cmd, nil, name)
		for n := range names {
			names[n] = join + names[n]
		}
		return names, directive
	}
}

// completeVolumesOrFiles offers volumes; where none fits, the shell takes
// files. What they are called inside is still to come, so no blank follows.
func (a *app) completeVolumesOrFiles(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	names, directive := a.completeNames(cmd.Context(), typed, volumeNames)
	if directive != cobra.ShellCompDirectiveError {
		directive = cobra.ShellCompDirectiveNoSpace
	}
	return names, directive
}

// completeFilters offers the keys of --filter.
func completeFilters(cmd *cobra.Command, keys ...string) {
	words := make([]string, len(keys))
	for n, key := range keys {
		words[n] = key + "="
	}
	completeWords(cmd, "filter", words...)
}
