package seccomp

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// An Action is what the kernel does with a system call. A larger Action is stricter: the order is the kernel's own
// precedence of filter results (seccomp(2), "SECCOMP_RET_KILL_PROCESS" and on). The zero Action is invalid.
type Action uint8

// The actions from the most permissive to the strictest. SCMP_ACT_KILL is KillThread, as in libseccomp.
const (
	Allow Action = iota + 1
	Log
	Trace
	Notify
	Errno
	Trap
	KillThread
	KillProcess
)

var actionNames = [...]specs.LinuxSeccompAction{
	Allow: specs.ActAllow, Log: specs.ActLog, Trace: specs.ActTrace, Notify: specs.ActNotify, Errno: specs.ActErrno,
	Trap: specs.ActTrap, KillThread: specs.ActKillThread, KillProcess: specs.ActKillProcess,
}

// String gives the OCI name, such as SCMP_ACT_ERRNO.
func (a Action) String() string {
	if a == 0 || int(a) >= len(actionNames) {
		return fmt.Sprintf("Action(%d)", uint8(a))
	}
	return string(actionNames[a])
}

// Permits reports whether the call may run. Log runs it; Trace and Notify leave it to a tracer or an agent that may let it
// run, so they count as permission too. Only what denies on its own is a denial.
func (a Action) Permits() bool { return a >= Allow && a <= Notify }

func parseAction(s specs.LinuxSeccompAction) (Action, bool) {
	if s == specs.ActKill {
		return KillThread, true
	}
	for a, name := range actionNames {
		if a > 0 && name == s {
			return Action(a), true
		}
	}
	return 0, false
}

// A Verdict is an action with its number: the errno of Errno, the message of Trace, else zero.
type Verdict struct {
	Action Action
	Errno  uint16
}

// String gives the action's OCI name, with the number in parentheses where the action has one.
func (v Verdict) String() string {
	if v.Action == Errno || v.Action == Trace {
		return fmt.Sprintf("%s(%d)", v.Action, v.Errno)
	}
	return v.Action.String()
}

// stricter returns the stricter of two verdicts, the first when they are of one action.
func stricter(a, b Verdict) Verdict {
	if b.Action > a.Action {
		return b
	}
	return a
}
