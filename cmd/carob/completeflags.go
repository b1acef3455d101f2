package main

import "github.com/spf13/cobra"

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
		"network":           {"none", "host", "private", "pasta", "slirp4netns", "container:", "ns:"},
		"log-driver":        {"k8s-file", "json-file", "journald", "none", "passthrough"},
		"cgroups":           {"enabled", "disabled", "no-conmon", "split"},
		"systemd":           {"true", "false", "always"},
		"sdnotify":          {"container", "conmon", "healthy", "ignore"},
		"image-volume":      {"anonymous", "tmpfs", "ignore"},
		"pid":               {"private", "host", "container:", "ns:"},
		"ipc":               {"private", "shareable", "host", "none", "container:", "ns:"},
		"uts":               {"private", "host", "container:", "ns:"},
		"cgroupns":          {"private", "host", "container:", "ns:"},
		"userns":            {"host", "keep-id", "auto", "nomap", "container:", "ns:"},
		"attach":            {"stdin", "stdout", "stderr"},
		"health-on-failure": {"none", "kill", "restart", "stop"},
		"security-opt":      {"no-new-privileges", "seccomp=", "label=", "apparmor=", "mask=", "unmask=", "proc-opts="},
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	}
	for _, flag := range []string{"volumes-from", "requires"} {
		_ = cmd.RegisterFlagCompletionFunc(flag, a.completeContainers)
	}
}
