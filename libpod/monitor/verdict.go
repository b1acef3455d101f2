package monitor

// note takes an answer. An excused failure does not count.
func (v *Verdict) note(c *Check, ok, excused bool) {
	switch {
	case ok:
		v.Failures = 0
		v.Successes++
		if v.Successes >= c.Successes {
			v.Came, v.Passed, v.Failed = true, true, false
		}
	case excused:
		v.Successes = 0
	default:
		v.Successes = 0
		v.Failures++
		if c.Failures > 0 && v.Failures >= c.Failures {
			v.Passed, v.Failed = false, true
		}
	}
}

// overall is the verdict on the container: unhealthy when a check has failed,
// starting as long as one has not passed yet.
func overall(checks []*check) string {
	word := HealthHealthy
	for _, k := range checks {
		switch {
		case k.Role == RoleStartup && !k.verdict.Passed:
			return HealthStarting
		case k.Role == RoleReadiness && !k.verdict.Came:
			word = HealthStarting // not ready yet is not ill
		case k.verdict.Failed:
			return HealthUnhealthy
		case !k.verdict.Passed:
			word = HealthStarting
		}
	}
	return word
}
