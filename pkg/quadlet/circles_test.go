package quadlet

import (
	"slices"
	"strings"
	"testing"
)

func TestUnitsThatNeedThemselves(t *testing.T) {
	_, names, mistakes, dir := generate(t,
		"self.container", image+"Network=self.container\n",
		"c1.container", image+"Network=c2.container\n",
		"c2.container", image+"Label=a=b\nNetwork=c1.container\n",
		"user.container", image+"Network=c1.container\n", // needs a circle, is none of it
		"in.container", image+"Pod=p.pod\n",
		"p.pod", "[Pod]\nNetwork=in.container\n",
		"x.image", "[Image]\nImage=quay.io/x/y\n",
		"x.volume", "[Volume]\nDriver=image\nImage=x.image\n",
		"good.container", "[Container]\nImage=x.image\nVolume=x.volume:/x\nVolume=x.volume:/y\n",
	)
	if want := []string{"good.service", "user.service", "x-image.service", "x-volume.service"}; !slices.Equal(names, want) {
		t.Errorf("services: %q", names)
	}
	for _, want := range []string{
		dir + "/self.container:3: Network: the unit needs itself",
		dir + "/c1.container:3: Network: c2.container needs c1.container in turn",
		dir + "/c2.container:4: Network: c1.container needs c2.container in turn",
		dir + "/in.container:3: Pod: p.pod needs in.container in turn",
		dir + "/p.pod:2: Network: in.container needs p.pod in turn",
	} {
		if !strings.Contains(mistakes, want) {
			t.Errorf("%q is not in\n%s", want, mistakes)
		}
	}
	if n := strings.Count(mistakes, "\n") + 1; n != 5 {
		t.Errorf("%d mistakes:\n%s", n, mistakes)
	}
}

// TestPodStartsOnlyWhatIsThere: a container that becomes no service is not
// wanted by its pod, and generating twice makes the same.
func TestPodStartsOnlyWhatIsThere(t *testing.T) {
	result, _, mistakes, _ := generate(t,
		"good.container", image+"Pod=p.pod\n",
		"bad.container", image+"Pod=p.pod\nReadOnly=perhaps\n",
		"circle.container", image+"Pod=p.pod\nNetwork=circle.container\n",
		"taken.container", image+"Pod=p.pod\n[Install]\nAlias=good.service\n",
		"p.pod", "[Pod]\n",
	)
	if strings.Count(mistakes, "\n") != 2 || len(result.Services) != 2 {
		t.Errorf("%d services, mistakes: %s", len(result.Services), mistakes)
	}
	if text := result.Services[1].Text; strings.Count(text, "\nWants=") != 2 || !strings.Contains(text, "\nWants=good.service\n") {
		t.Errorf("the pod is %s", text)
	}
}
