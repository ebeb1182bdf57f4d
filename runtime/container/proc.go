package container

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// startTime is field 22 of /proc/PID/stat (proc_pid_stat(5)), in clock ticks since boot: with the pid it names a process
// for good. It is 0 when there is no such process.
func startTime(pid int) uint64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// The command name is in brackets and may itself hold brackets and spaces.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0
	}
	f := strings.Fields(string(b[i+1:]))
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return 0
	}
	t, err := strconv.ParseUint(f[19], 10, 64)
	if err != nil {
		return 0
	}
	return t
}

// alive tells whether the process that had pid and start time still runs. A zombie does not.
func alive(pid int, start uint64) bool {
	return pid > 0 && start != 0 && startTime(pid) == start
}

// killAndWait sends SIGKILL to the process and waits until it is gone, through a pidfd, so that a reused pid is never
// hit and no polling is needed. It returns at once when the process is not the one that start names.
//
// thaw, unless nil, is called when the process does not end at once: in a frozen cgroup (v1) it takes no signal.
func killAndWait(pid int, start uint64, timeoutMillis int, thaw func()) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil // no such process: nothing to kill
	}
	defer unix.Close(fd)
	if !alive(pid, start) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return nil // it ended by itself
	}
	if thaw != nil {
		if waitPidfd(fd, pid, 100) == nil {
			return nil
		}
		thaw()
	}
	return waitPidfd(fd, pid, timeoutMillis)
}

// waitPidfd waits until the process of the pidfd has ended: pidfd_open(2) says it is readable then.
func waitPidfd(fd, pid, timeoutMillis int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, timeoutMillis)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("wait for process %d: %w", pid, err)
		case n == 0:
			return fmt.Errorf("wait for process %d: still there %d ms after SIGKILL", pid, timeoutMillis)
		}
		return nil
	}
}
