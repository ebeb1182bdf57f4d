package profiles

// Bounds are the default and the ceiling of a container's memory limit in bytes, on a host (or below a parent) that has
// the given bytes.
//
// The reserve is ReservePercent of the host, at least ReserveBytes, but never more than half of the host: a small
// device runs containers too. The default is never above the ceiling. Both are at least 1 when host is.
func (m MemoryLimit) Bounds(host int64) (byDefault, ceiling int64) {
	if host <= 0 {
		return 0, 0
	}
	reserve := min(max(percent(host, m.ReservePercent), m.ReserveBytes), host/2)
	ceiling = host - reserve
	return max(min(percent(host, m.DefaultPercent), ceiling), 1), ceiling
}

// percent divides first: a host's memory times 100 may not fit.
func percent(n, p int64) int64 { return n/100*p + n%100*p/100 }
