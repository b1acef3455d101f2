package bundle

// CapabilityNames are the names, as the OCI runtime wants them, of a set as in
// CapBnd of /proc/PID/status; those that carob does not know are left out.
func CapabilityNames(set uint64) []string { return capabilitySet(set).list(capabilityNames()) }

// AllCapabilities are the names of all, without CAP_.
func AllCapabilities() []string { return capabilityNames() }
