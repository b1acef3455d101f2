package bundle

// CapabilityNames are the names, as the OCI runtime wants them, of a set as in
// CapBnd of /proc/PID/status; those that carob does not know are left out.
func CapabilityNames(set uint64) []string { return capabilitySet(set).list(capabilityNames()) }
