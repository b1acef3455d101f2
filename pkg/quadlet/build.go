package quadlet

import (
	"path/filepath"
	"strings"

	"github.com/carob-containers/carob/pkg/unitfile"
)

// buildKeys are those of [Build].
var buildKeys = []key{
	{name: "Annotation", flag: "--annotation", put: pairs},
	{name: "Arch", flag: "--arch", put: last},
	{name: "AuthFile", flag: "--authfile", put: last},
	{name: "BuildArg", flag: "--build-arg", put: pairs},
	{name: "ContainersConfModule", note: "`--module`"},
	{name: "DNS", flag: "--dns", put: each},
	{name: "DNSOption", flag: "--dns-option", put: each},
	{name: "DNSSearch", flag: "--dns-search", put: each},
	{name: "Environment", flag: "--env", put: pairs},
	{name: "File", flag: "--file", put: buildFile},
	{name: "ForceRM", flag: "--force-rm", put: yesNo},
	{name: "GlobalArgs", note: "words before the command"},
	{name: "GroupAdd", flag: "--group-add", put: each},
	{name: "IgnoreFile", flag: "--ignorefile", put: last},
	{name: "ImageTag", flag: "--tag", put: each},
	{name: "Label", flag: "--label", put: pairs},
	{name: "Network", flag: "--network", put: network},
	{name: "PodmanArgs", note: "words before the context"},
	{name: "Pull", flag: "--pull=", put: joined},
	{name: "Retry", flag: "--retry", put: last},
	{name: "RetryDelay", flag: "--retry-delay", put: last},
	{name: "Secret", flag: "--secret", put: arguments},
	{name: "ServiceName", note: "the service's name, without `.service`"},
	{name: "SetWorkingDirectory", note: "the context: `unit`, `file`, a directory or a URL"},
	{name: "TLSVerify", flag: "--tls-verify", put: yesNo},
	{name: "Target", flag: "--target", put: last},
	{name: "Variant", flag: "--variant", put: last},
	{name: "Volume", flag: "--volume", put: volume},
}

func convertBuild(c *conversion) error {
	if c.resource == "" {
		return c.fail("ImageTag", "no ImageTag key specified")
	}
	c.add("build")
	if err := c.keys(); err != nil {
		return err
	}
	context, err := c.buildContext()
	if err != nil {
		return err
	}
	if context != "" {
		c.add(context)
	}
	c.oneshot(false)
	return c.exec("ExecStart", c.cmd...)
}

// buildFile makes the name absolute where the context's directory is known: the
// command would take it from there, not from the unit's.
func buildFile(c *conversion, k key) error {
	file := c.last(k.name)
	switch strings.ToLower(c.last("SetWorkingDirectory")) {
	case "unit", "file":
		if file != "" && !isURL(file) {
			file = c.path(file)
		}
	}
	if file != "" {
		c.add(k.flag, file)
	}
	return nil
}

// buildContext is the last word of the command: where the files of the image
// come from. It may be empty when File is an absolute path.
func (c *conversion) buildContext() (string, error) {
	file := c.last("File")
	context, err := c.workingDirectory("file", file)
	if err != nil || context != "" {
		return context, err
	}
	dir, _ := c.out.Last(serviceSection, "WorkingDirectory")
	switch {
	case file == "" && dir.Value == "":
		return "", c.fail("File", "neither SetWorkingDirectory, nor File key specified")
	case file == "" || !filepath.IsAbs(file) && !strings.HasPrefix(file, "%") && !isURL(file):
		if dir.Value == "" {
			return "", c.fail("File", "relative path in File key requires SetWorkingDirectory key to be set")
		}
		return dir.Value, nil
	}
	return "", nil
}

func isURL(text string) bool {
	for _, prefix := range []string{"http://", "https://", "git://", "github.com/"} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

// workingDirectory does what SetWorkingDirectory says: it sets the service's
// to that of the unit, or to that of the file (for which the word special
// stands), unless the user has set one. Anything else is a context of a build,
// and returned.
func (c *conversion) workingDirectory(special, file string) (context string, err error) {
	const name = "SetWorkingDirectory"
	value := c.last(name)
	from := literal(c.Path) // whose directory it is
	switch {
	case value == "":
		return "", nil
	case strings.EqualFold(value, "unit"):
	case strings.EqualFold(value, special):
		if file == "" {
			return "", c.fail(name, "%s=%s: there is no such file to take the directory of", name, value)
		}
		from = c.path(file)
	case c.kind.suffix != ".build" || strings.EqualFold(value, "yaml") || strings.EqualFold(value, "file"):
		return "", c.fail(name, "unsupported value for %s: %s", name, value)
	case filepath.IsAbs(value) || isURL(value):
		return value, nil
	default:
		context = value
	}
	if !c.out.Has(serviceSection, "WorkingDirectory") {
		// No command line: $ stands for itself here.
		c.out.Set(serviceSection, "WorkingDirectory", strings.ReplaceAll(filepath.Dir(from), "$$", "$"))
	}
	return context, nil
}

// kubeKeys are those of [Kube].
var kubeKeys = []key{
	{name: "AutoUpdate", put: autoUpdates, note: "`--annotation io.containers.autoupdate=`"},
	{name: "ConfigMap", flag: "--configmap", put: kubePaths},
	{name: "ContainersConfModule", note: "`--module`"},
	{name: "ExitCodePropagation", flag: "--service-exit-code-propagation=", put: joined},
	{name: "GlobalArgs", note: "words before the command"},
	{name: "KubeDownForce", note: "`--force` of `carob kube down`"},
	{name: "LogDriver", flag: "--log-driver", put: last},
	{name: "LogOpt", flag: "--log-opt", put: words},
	{name: "Network", flag: "--network", put: network},
	{name: "PodmanArgs", note: "words before the files"},
	{name: "PublishPort", flag: "--publish", put: each},
	{name: "RemapGid", note: "older form of `UserNS=keep-id:gid=`"},
	{name: "RemapUid", note: "older form of `UserNS=keep-id:uid=`"},
	{name: "RemapUidSize", note: "older form of `UserNS=auto:size=`"},
	{name: "RemapUsers", put: remap, note: "older form of UserNS: `auto`, `keep-id`"},
	{name: "ServiceName", note: "the service's name, without `.service`"},
	{name: "SetWorkingDirectory", note: "`unit` or `yaml`: where the service runs"},
	{name: "UserNS", flag: "--userns", put: last},
	{name: "Yaml", note: "the files to play"},
}

func convertKube(c *conversion) error {
	names, err := c.list("Yaml")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return c.fail("Yaml", "no Yaml key specified")
	}
	files := make([]string, len(names))
	for i, name := range names {
		files[i] = c.path(name)
	}
	supervised, err := c.supervised()
	if err != nil {
		return err
	}
	c.add("kube", "play", "--replace")
	if supervised {
		c.add("--service-container=true")
	}
	if err := c.keys(); err != nil {
		return err
	}
	c.add(files...)
	if err := c.exec("ExecStart", c.cmd...); err != nil {
		return err
	}
	if err := c.kubeDown(files); err != nil {
		return err
	}
	if len(names) > 1 && strings.EqualFold(c.last("SetWorkingDirectory"), "yaml") {
		return c.fail("SetWorkingDirectory", "SetWorkingDirectory=yaml is only supported with a single Yaml file")
	}
	_, err = c.workingDirectory("yaml", names[0])
	return err
}

// kubeDown is run however the service ended, so that nothing is left behind.
func (c *conversion) kubeDown(files []string) error {
	down := []string{"kube", "down"}
	force, set, err := c.boolean("KubeDownForce")
	switch {
	case err != nil:
		return err
	case set && force:
		down = append(down, "--force")
	case set:
		down = append(down, "--force=false")
	}
	return c.exec("ExecStopPost", append(down, files...)...)
}

func kubePaths(c *conversion, k key) error { return c.eachWord(k, unitfile.Split, c.path) }

// autoUpdates puts the annotation for all containers, or with NAME/POLICY for
// one.
func autoUpdates(c *conversion, k key) error {
	list, err := c.list(k.name)
	for _, word := range list {
		annotation := "io.containers.autoupdate"
		policy := word
		if name, of, ok := strings.Cut(word, "/"); ok {
			annotation, policy = annotation+"/"+name, of
		}
		c.add("--annotation=" + annotation + "=" + policy)
	}
	return err
}
