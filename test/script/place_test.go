package script

import (
	"path/filepath"

	"github.com/carob-containers/carob/test/rig"
	"github.com/carob-containers/carob/test/script/words"
	"github.com/rogpeppe/go-internal/testscript"
)

// setup gives a script its place and promises to look for leaks at its end.
func setup(h *rig.Host, env *testscript.Env) error {
	p, err := h.NewPlace(filepath.Join(env.WorkDir, "home"))
	if err != nil {
		return err
	}
	env.Vars = append(env.Vars, p.Env...)
	env.Setenv("IMAGES", h.Images)
	env.Setenv("PREFIX", h.Prefix)
	words.SetPlace(env, p)
	t := env.T()
	env.Defer(func() {
		leaks := p.Close()
		for _, leak := range leaks {
			t.Log("left behind: " + leak)
		}
		if len(leaks) > 0 {
			t.FailNow()
		}
	})
	return nil
}
