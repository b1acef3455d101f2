package monitor

import (
	"strings"
	"testing"
	"time"
)

// TestVerdicts plays answers: + well, - failed, e a failure that is excused.
// Behind each stands what the verdict is then: ? none yet, P passed, F failed.
func TestVerdicts(t *testing.T) {
	cases := []struct {
		name            string
		fails, succeeds int
		play, want      string
	}{
		{"first success", 3, 0, "+", "P"},
		{"three failures in a row", 3, 0, "---", "??F"},
		{"a success between", 3, 0, "--+--+---", "??PPPPPPF"},
		{"failed and back", 2, 0, "--+", "?FP"},
		{"stays failed", 1, 0, "---", "FFF"},
		{"excused do not count", 2, 0, "eeee--", "?????F"},
		{"excused does not undo", 1, 0, "+e", "PP"},
		{"never fails", 0, 0, "------", "??????"},
		{"two successes wanted", 3, 2, "+-++", "???P"},
		{"two successes wanted to come back", 1, 2, "++-+-++", "?PFFFFP"},
	}
	for _, tc := range cases {
		var v Verdict
		got := strings.Builder{}
		for _, r := range tc.play {
			v.note(&Check{Failures: tc.fails, Successes: tc.succeeds}, r == '+', r == 'e')
			switch {
			case v.Passed && v.Failed:
				t.Errorf("%s: passed and failed", tc.name)
			case v.Passed:
				got.WriteByte('P')
			case v.Failed:
				got.WriteByte('F')
			default:
				got.WriteByte('?')
			}
		}
		if got.String() != tc.want {
			t.Errorf("%s: %s gives %s, want %s", tc.name, tc.play, got.String(), tc.want)
		}
	}
}

// TestOverall has a letter for each check's verdict: ? none yet, P passed,
// F failed, f failed after it had passed before.
func TestOverall(t *testing.T) {
	h, s, l, r := RoleHealth, RoleStartup, RoleLiveness, RoleReadiness
	cases := []struct {
		roles    []string
		verdicts string
		want     string
	}{
		{[]string{h}, "?", HealthStarting},
		{[]string{h}, "P", HealthHealthy},
		{[]string{h}, "F", HealthUnhealthy},
		{[]string{h, s}, "??", HealthStarting},
		{[]string{h, s}, "?P", HealthStarting},
		{[]string{h, s}, "PP", HealthHealthy},
		{[]string{s, l, r}, "F??", HealthStarting},
		{[]string{l, r}, "P?", HealthStarting},
		{[]string{l, r}, "PF", HealthStarting},
		{[]string{l, r}, "Pf", HealthUnhealthy},
		{[]string{l, r}, "FF", HealthUnhealthy},
		{[]string{r, l}, "FF", HealthUnhealthy},
		{[]string{l, r}, "PP", HealthHealthy},
	}
	for _, tc := range cases {
		var checks []*check
		for i, role := range tc.roles {
			k := &check{Check: &Check{Role: role}}
			switch tc.verdicts[i] {
			case 'P':
				k.verdict = Verdict{Passed: true, Came: true}
			case 'F':
				k.verdict.Failed = true
			case 'f':
				k.verdict = Verdict{Failed: true, Came: true}
			}
			checks = append(checks, k)
		}
		if got := overall(checks); got != tc.want {
			t.Errorf("%v %s: %s, want %s", tc.roles, tc.verdicts, got, tc.want)
		}
	}
}

func TestRestartAfterChecks(t *testing.T) {
	cases := []struct {
		sequel sequel
		policy string
		max    uint
		done   uint
		stop   bool
		want   bool
	}{
		{sequelRestart, "", 0, 0, false, true},
		{sequelRestart, "no", 0, 9, false, true},
		{sequelRestart, "", 0, 0, true, false},
		{sequelReplace, "", 0, 0, false, false},
		{sequelReplace, "no", 0, 0, false, false},
		{sequelReplace, "on-failure", 0, 9, false, true},
		{sequelReplace, "on-failure", 2, 2, false, false},
		{sequelReplace, "always", 0, 9, false, true},
		{sequelReplace, "always", 0, 9, true, false},
	}
	for _, tc := range cases {
		s := &supervisor{cfg: Config{RestartPolicy: tc.policy, RestartMax: tc.max}}
		s.rec.Restarts, s.stop.asked, s.run.sequel = tc.done, tc.stop, tc.sequel
		s.run.lastKill = time.Now() // a check's end is none of the user's
		if got := s.restartWanted(); got != tc.want {
			t.Errorf("%+v: %t", tc, got)
		}
	}
}

func TestHealthLogKeepsTheLast(t *testing.T) {
	texts := []string{"a", "b,\n]}\n", "c\x00\xff", "d", strings.Repeat("e", 70000), "f"}
	for _, keep := range []int{0, 1, 3, 100} {
		s := &supervisor{dir: t.TempDir(), recordFD: -1, cfg: Config{Health: Health{
			Checks: []Check{{Role: RoleHealth, Failures: 3}}, LogCount: keep, Copy: t.TempDir() + "/copy",
		}}}
		s.rec.Started = 7
		s.beginHealth()
		for i, text := range texts {
			s.health.checks[0].verdict.note(s.health.checks[0].Check, i == 3, false)
			s.writeHealth(&HealthResult{ExitCode: i, Output: text})
			if i == 2 { // another monitor goes on
				_, s.health.log = s.readHealth()
			}
			s.writeHealth(nil)
		}
		r, _ := s.readHealth()
		n := len(texts)
		if keep > 0 {
			n = min(n, keep)
		}
		if r == nil || r.Run != 7 || len(r.Log) != n || !r.Checks[0].Passed || r.FailingStreak != 2 {
			t.Fatalf("keep %d: %d results, %+v", keep, len(r.Log), r.Checks)
		}
		for i, e := range r.Log {
			if at := len(texts) - n + i; e.ExitCode != at || e.Output != strings.ToValidUTF8(texts[at], "\ufffd") {
				t.Errorf("keep %d: result %d is %d", keep, at, e.ExitCode)
			}
		}
		copied, err := readFile(s.cfg.Health.Copy)
		own, err2 := readFile(s.dir + "/" + HealthFile)
		if err != nil || err2 != nil || string(copied) != string(own) {
			t.Errorf("%v %v: %s", err, err2, copied)
		}
		s.rec.Started = 8 // another run
		s.beginHealth()
		if r, _ = s.readHealth(); len(r.Log) != 0 || r.Run != 8 || r.Status != HealthStarting {
			t.Errorf("%+v", r)
		}
	}
}

func TestStarted(t *testing.T) {
	passed, failing := Verdict{Came: true, Passed: true}, Verdict{Failures: 2}
	for name, c := range map[string]struct {
		report *HealthReport
		want   bool
	}{
		"nothing known":   {nil, false},
		"no startup":      {&HealthReport{Checks: []CheckReport{{RoleLiveness, failing}}}, true},
		"startup waits":   {&HealthReport{Checks: []CheckReport{{RoleStartup, failing}, {RoleLiveness, passed}}}, false},
		"startup through": {&HealthReport{Checks: []CheckReport{{RoleStartup, passed}, {RoleLiveness, failing}}}, true},
	} {
		if got := c.report.Started(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
