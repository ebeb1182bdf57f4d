// Package recording is the file that a recorder writes of one container: which system calls it made, when, how often, and
// with which of the arguments that a seccomp filter can decide on. One recording is one JSON object in one file.
package recording

import "time"

// Version of the format that this package writes. A reader refuses a newer one.
const Version = 1

// The recorders.
const (
	// ByBPF is the recorder on the kernel's raw tracepoints.
	ByBPF = "bpf"
	// ByNotify is the recorder on seccomp user notification. Calls that the filter denies never reach it: they are not in the file.
	ByNotify = "notify"
)

// The phases of a workload, in their order.
const (
	// Startup lasts from the workload's execve to its first listen or accept, or to the operator's mark.
	Startup = "startup"
	// Serving is what comes after.
	Serving = "serving"
)

// A Recording is what was seen of one container.
type Recording struct {
	Version int `json:"version"`
	// Name that the operator gave, or the container's.
	Name string `json:"name"`
	// Container is the ID, empty for a command that ran without a container.
	Container string `json:"container,omitempty"`
	// Image is the name that the engine left in an annotation, empty where it left none (Docker leaves none).
	Image string `json:"image,omitempty"`
	// Command is the workload's argv.
	Command []string `json:"command,omitempty"`
	// Recorder is ByBPF or ByNotify.
	Recorder string `json:"recorder"`
	// Runtime is bulkhead's version, Kernel what uname -r says, Libc the C library that the workload's program names
	// ("glibc 2.36", "musl", empty for a static program), Architecture runtime-spec's name (SCMP_ARCH_X86_64).
	Runtime      string `json:"runtime"`
	Kernel       string `json:"kernel"`
	Libc         string `json:"libc,omitempty"`
	Architecture string `json:"architecture"`
	// Profile is the hardening profile that the container ran under.
	Profile string `json:"profile,omitempty"`
	// Started is when the recorder was in place; Ended is zero in the file of a recording that was cut short or goes on.
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	// Joined tells that the workload ran already when the recorder came: what it did before is not in the file.
	Joined bool `json:"joined,omitempty"`
	// Phases in their order. There is always Startup; Serving only when it was reached.
	Phases []Phase `json:"phases"`
	// Calls sorted by architecture (native first), then name.
	Calls []Call `json:"calls"`
	// Unseen are calls that the recorder let pass without a look, sorted by name: a profile of this recording has to permit
	// them as if they had been seen.
	Unseen []Unseen `json:"unseen,omitempty"`
	Losses Losses   `json:"losses"`
}

// Unseen is a native call that only a recorder by notification has: one that earlier recordings brought in, so that it costs
// nothing any more, or one that the runtime itself cannot have notified (write). Whether the workload made it is not known.
// Other values of its arguments are notified and stand in Calls.
type Unseen struct {
	Name   string `json:"name"`
	Number uint32 `json:"number"`
	// Arguments of the earlier recordings, with their counts there. Nil: any.
	Arguments *Arguments `json:"arguments,omitempty"`
}

// A Phase of the workload.
type Phase struct {
	Name  string    `json:"name"`
	Began time.Time `json:"began"`
	// By says what began it: ByExec, ByListen, ByAccept, ByMark or ByJoin.
	By string `json:"by"`
}

// A Call is one system call of the workload.
type Call struct {
	// Name as the kernel's table has it, or empty for a number without a name.
	Name   string `json:"name,omitempty"`
	Number uint32 `json:"number"`
	// Architecture is empty for native calls, else runtime-spec's name (SCMP_ARCH_X86, SCMP_ARCH_X32).
	Architecture string `json:"architecture,omitempty"`
	// Seen is never empty: one entry for each phase in which the call was made.
	Seen []Seen `json:"seen"`
	// Denied counts those of the calls that a filter denied while it was recorded. They are in Seen, too.
	Denied uint64 `json:"denied,omitempty"`
	// Arguments is nil for calls whose arguments are not recorded.
	Arguments *Arguments `json:"arguments,omitempty"`
}

// Seen is how often and when a call was made in a phase.
type Seen struct {
	Phase string    `json:"phase"`
	Count uint64    `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Arguments are the values that were seen together. Which are recorded is decided by ArgumentsOf.
type Arguments struct {
	// Indices are the recorded arguments, 0 to 5, ascending. Masks has one mask for each: only these bits are recorded.
	Indices []int    `json:"indices"`
	Masks   []uint64 `json:"masks"`
	// Values are the combinations that were seen, sorted. Nil when Any.
	Values []Combination `json:"values,omitempty"`
	// Any tells that there were too many combinations to keep, so nothing is known of them.
	Any bool `json:"any,omitempty"`
}

// A Combination has a value for each of Indices, already masked.
type Combination struct {
	Values []uint64 `json:"values"`
	Count  uint64   `json:"count"`
}

// Losses are what the recorder knows that it did not see. A recording with a loss is not complete.
type Losses struct {
	// Calls that no room was left to count.
	Calls uint64 `json:"calls,omitempty"`
	// Combinations that no room was left to keep; their calls are in Seen and their Arguments are Any.
	Combinations uint64 `json:"combinations,omitempty"`
	// Processes and threads that could not be followed: nothing that they and their children did is known.
	Processes uint64 `json:"processes,omitempty"`
	// CutShort tells that the recorder ended before the container: Ended is zero then.
	CutShort bool `json:"cutShort,omitempty"`
}

// Lost tells whether anything is known to be missing.
func (l Losses) Lost() bool { return l != Losses{} }
