package libpod

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strconv"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/spec"
)

// ensureImages pulls what the policies say, each image once, and checks what
// only the image tells.
func (p *play) ensureImages(ctx context.Context) error {
	done := map[kube.Image]*baseImage{}
	for i := range p.plan.Pods {
		pod := &p.plan.Pods[i]
		pull, cleanUp, err := p.credentials(ctx, pod)
		if err != nil {
			return err
		}
		err = p.ensurePodImages(ctx, pod, pull, done)
		cleanUp()
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *play) ensurePodImages(ctx context.Context, pod *kube.Pod, pull PullOptions, done map[kube.Image]*baseImage) error {
	ensure := func(want kube.Image) (*baseImage, error) {
		if img := done[want]; img != nil {
			return img, nil
		}
		pull.Policy = want.Pull
		img, err := p.rt.chooseImage(ctx, &spec.Container{Image: want.Name}, pull)
		if err == nil {
			done[want] = img
		}
		return img, err
	}
	for _, want := range pod.Images {
		if _, err := ensure(want); err != nil {
			return err
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

// credentials are those of imagePullSecrets, in a file for the time of the
// pull, unless the caller has named a file.
func (p *play) credentials(ctx context.Context, pod *kube.Pod) (PullOptions, func(), error) {
	pull := p.opts.Pull
	if len(pod.PullSecrets) == 0 || pull.AuthFile != "" {
		return pull, func() {}, nil
	}
	auths := map[string]json.RawMessage{}
	for _, name := range pod.PullSecrets {
		data, err := p.secretData(ctx, name)
		if err != nil {
			// As in Kubernetes: the pull may work without it.
			p.opts.Warn(fmt.Sprintf("%s %s: imagePullSecrets: %v", pod.Spec.Kube.Kind, pod.Spec.Kube.Name, err))
			continue
		}
		if err := addAuths(auths, data); err != nil {
			return pull, nil, fmt.Errorf("cannot use the pull secret %s: %w", name, err)
		}
	}
	if len(auths) == 0 {
		return pull, func() {}, nil
	}
	body, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		return pull, nil, err
	}
	f, err := os.CreateTemp(p.rt.dirs.Run, "auth-*.json") // 0600
	if err != nil {
		return pull, nil, fmt.Errorf("cannot keep the credentials for a pull: %w", err)
	}
	defer f.Close()
	remove := func() { os.Remove(f.Name()) }
	if _, err := f.Write(body); err != nil {
		remove()
		return pull, nil, fmt.Errorf("cannot keep the credentials for a pull: %w", err)
	}
	pull.AuthFile = f.Name()
	return pull, remove, nil
}

// secretData are the values of a secret of the plan, or of a stored one.
func (p *play) secretData(ctx context.Context, name string) (map[string][]byte, error) {
	for _, s := range p.plan.Secrets {
		if s.Name == name {
			return kube.DecodeSecret(name, s.Data)
		}
	}
	s, err := p.rt.Secret(ctx, name)
	if err != nil {
		return nil, err
	}
	data, err := p.rt.SecretData(s)
	if err != nil {
		return nil, err
	}
	return kube.DecodeSecret(name, data)
}

// addAuths reads a secret of type kubernetes.io/dockerconfigjson or dockercfg.
func addAuths(auths map[string]json.RawMessage, data map[string][]byte) error {
	if body, ok := data[".dockerconfigjson"]; ok {
		var config struct {
			Auths map[string]json.RawMessage `json:"auths"`
		}
		if err := json.Unmarshal(body, &config); err != nil {
			return fmt.Errorf("its key .dockerconfigjson: %w", err)
		}
		maps.Copy(auths, config.Auths)
		return nil
	}
	if body, ok := data[".dockercfg"]; ok {
		var config map[string]json.RawMessage
		if err := json.Unmarshal(body, &config); err != nil {
			return fmt.Errorf("its key .dockercfg: %w", err)
		}
		maps.Copy(auths, config)
		return nil
	}
	return fmt.Errorf("it has neither a key .dockerconfigjson nor .dockercfg")
}
