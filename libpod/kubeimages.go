package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
)

// ensureImages pulls what the policies say, each image once, and checks what
// only the image tells.
func (p *play) ensureImages(ctx context.Context) error {
	done := map[kube.Image]*baseImage{} // by name and policy
	for i := range p.plan.Pods {
		pod := &p.plan.Pods[i]
		auths, err := p.credentials(ctx, pod)
		if err != nil {
			return err
		}
		if err := p.ensurePodImages(ctx, pod, auths, done); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) ensurePodImages(ctx context.Context, pod *kube.Pod, auths auths, done map[kube.Image]*baseImage) error {
	ensure := func(want kube.Image) (*baseImage, error) {
		if img := done[want]; img != nil {
			return img, nil
		}
		pull := p.opts.Pull
		pull.Policy = want.Pull
		if auths.cover(want.Name) {
			body, err := json.Marshal(map[string]any{"auths": auths})
			if err != nil {
				return nil, err
			}
			pull.Auth = body
		}
		img, err := p.rt.chooseImage(ctx, &spec.Container{Image: want.Name}, pull)
		if err == nil {
			done[want] = img
		}
		return img, err
	}
	for _, want := range pod.Images {
		if _, err := ensure(kube.Image{Name: want.Name, Pull: want.Pull}); err != nil {
			return fmt.Errorf("cannot use %s: %w", want.Path, err)
		}
	}
	for _, c := range pod.Containers {
		img, err := ensure(kube.Image{Name: c.Spec.Image, Pull: c.Pull})
		if err != nil {
			return fmt.Errorf("cannot use %s: %w", c.Path, err)
		}
		if !c.NonRoot {
			continue
		}
		user := imageUser(img.config.Config.User)
		id, err := strconv.ParseUint(user, 10, 32)
		if err != nil || id == 0 {
			return fmt.Errorf("cannot use %s.securityContext.runAsNonRoot: the user of image %s is %q, which is not known to be other than root; set runAsUser",
				c.Path, c.Spec.Image, user)
		}
	}
	return nil
}

// auths are credentials by registry, or by registry and path, as they stand in
// an auth.json.
type auths map[string]json.RawMessage

// credentials are those of imagePullSecrets, unless the caller has named a
// file.
func (p *play) credentials(ctx context.Context, pod *kube.Pod) (auths, error) {
	if p.opts.Pull.AuthFile != "" {
		return nil, nil
	}
	all := auths{}
	for _, name := range pod.PullSecrets {
		data, err := p.secretData(ctx, name)
		if err != nil {
			// As in Kubernetes: the pull may work without it.
			p.opts.Warn(fmt.Sprintf("%s %s: imagePullSecrets: %v", pod.Spec.Kube.Kind, pod.Spec.Kube.Name, err))
			continue
		}
		if err := all.add(data); err != nil {
			return nil, fmt.Errorf("cannot use the pull secret %s: %w", name, err)
		}
	}
	return all, nil
}

// cover tells whether there may be something for an image. For others the
// user's own credentials are asked, as a cluster asks those of its node.
func (a auths) cover(image string) bool {
	host, _, isPath := strings.Cut(image, "/")
	if !isPath || host != "localhost" && !strings.ContainsAny(host, ".:") {
		return len(a) > 0 // a short name: it may come from anywhere
	}
	for key := range a {
		_, bare, hasScheme := strings.Cut(key, "://")
		if !hasScheme {
			bare = key
		}
		if known, _, _ := strings.Cut(bare, "/"); known == host || host == "docker.io" && known == "index.docker.io" {
			return true
		}
	}
	return false
}

// secretData are the values of a secret of the plan, or of a stored one.
func (p *play) secretData(ctx context.Context, name string) (map[string][]byte, error) {
	for _, s := range p.plan.Secrets {
		if s.Name == name {
			return kube.DecodeSecret(name, s.Data)
		}
	}
	s, err := p.rt.secretNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	data, err := p.rt.SecretData(s)
	if err != nil {
		return nil, err
	}
	return kube.DecodeSecret(name, data)
}

// add reads a secret of type kubernetes.io/dockerconfigjson or dockercfg.
func (a auths) add(data map[string][]byte) error {
	if body, ok := data[".dockerconfigjson"]; ok {
		var config struct {
			Auths map[string]json.RawMessage `json:"auths"`
		}
		if err := json.Unmarshal(body, &config); err != nil {
			return errors.New("its key .dockerconfigjson holds no JSON of the form {\"auths\": {...}}") // and what it holds is nobody's business
		}
		maps.Copy(a, config.Auths)
		return nil
	}
	if body, ok := data[".dockercfg"]; ok {
		var config map[string]json.RawMessage
		if err := json.Unmarshal(body, &config); err != nil {
			return errors.New("its key .dockercfg holds no JSON object of registries")
		}
		maps.Copy(a, config)
		return nil
	}
	return errors.New("it has neither a key .dockerconfigjson nor .dockercfg")
}
