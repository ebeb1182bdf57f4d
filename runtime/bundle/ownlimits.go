package bundle

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mayRaiseLimits tells that this thread has CAP_SYS_RESOURCE, which raises hard limits and lowers oom_score_adj
// (capabilities(7)), in the host's user namespace: another one's does not count (user_namespaces(7)). Unknown counts as no.
func mayRaiseLimits() bool {
	if uids, _, err := OwnIDs(); err != nil || uids != nil {
		return false
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[unix.CAP_SYS_RESOURCE/32].Effective&(1<<(unix.CAP_SYS_RESOURCE%32)) != 0
}

// hardLimits are the runtime's own hard limits where it cannot raise them: getrlimit(2).
func hardLimits() map[string]uint64 {
	if mayRaiseLimits() {
		return nil
	}
	limits := map[string]uint64{}
	for name, resource := range map[string]int{
		"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU,
		"RLIMIT_DATA": unix.RLIMIT_DATA, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS,
		"RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK, "RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE,
		"RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_RSS": unix.RLIMIT_RSS,
		"RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO, "RLIMIT_RTTIME": unix.RLIMIT_RTTIME,
		"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_STACK": unix.RLIMIT_STACK,
	} {
		var l unix.Rlimit
		// prlimit(2) itself: the wrappers of package syscall answer from a copy for RLIMIT_NOFILE.
		if err := unix.Prlimit(0, resource, nil, &l); err == nil && l.Max != unix.RLIM_INFINITY {
			limits[name] = l.Max
		}
	}
	return limits
}

// oomScoreAdjMin is the lowest oom_score_adj that the runtime can surely set: its own. The kernel's bound,
// oom_score_adj_min, may be lower, and no file shows it (proc_pid_oom_score_adj(5)).
func oomScoreAdjMin() *int {
	if mayRaiseLimits() {
		return nil
	}
	data, err := os.ReadFile("/proc/thread-self/oom_score_adj")
	if err != nil {
		return nil
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return nil
	}
	return &own
}
