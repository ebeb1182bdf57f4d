package record

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// Who denied a call.
const (
	// ByProfile is the hardening profile's seccomp profile.
	ByProfile = "profile"
	// ByCaller is the seccomp profile that the engine asked for.
	ByCaller = "caller"
	// ByProcess is a filter that the process, or one above it, loaded itself.
	ByProcess = "process"
	// ByRuntime is the part of the filter that the runtime adds: unknown numbers, foreign architectures.
	ByRuntime = "runtime"
	// ByOther is nobody whom the profile knows.
	ByOther = "other"
)

// A Reason says why a call was denied.
type Reason struct {
	// By is one of the By constants.
	By string `json:"by"`
	// Group is what the call is about, from the profile's table: one word, or empty.
	Group string `json:"group,omitempty"`
	// Rule is the rule of the enforced profile that gave the verdict.
	Rule string `json:"rule,omitempty"`
	// Why in one sentence.
	Why string `json:"why"`
}

// An Explainer knows the profiles of one container.
type Explainer struct {
	arch              string
	enforced, ceiling seccomp.Profile
	hasCeiling        bool
	name              string // of the hardening profile's seccomp profile
	rows              []profiles.SeccompRow
	filters           uint32
}

// NewExplainer returns the explainer of a container. enforced is linux.seccomp of its hardened spec; ceiling, which may be nil,
// is what its hardening profile permits at most, and name is that seccomp profile's name or path. arch is a GOARCH.
func NewExplainer(enforced, ceiling *specs.LinuxSeccomp, name, arch string) (*Explainer, error) {
	e := &Explainer{arch: arch, name: name}
	var err error
	if e.enforced, err = seccomp.FromOCI(enforced, arch); err != nil {
		return nil, fmt.Errorf("explain denied system calls: %w", err)
	}
	if ceiling != nil {
		if e.ceiling, err = seccomp.FromOCI(ceiling, arch); err != nil {
			return nil, fmt.Errorf("explain denied system calls: %w", err)
		}
		e.hasCeiling = true
	}
	if e.rows, err = profiles.SeccompTable(); err != nil {
		return nil, fmt.Errorf("explain denied system calls: %w", err)
	}
	return e, nil
}

// Kills names the calls that the profile answers by ending the process or thread, sorted: they are seen once, and their process is
// gone. A default of that kind is named "all others".
func (e *Explainer) Kills() []string {
	var out []string
	for _, c := range e.enforced.Calls {
		if slices.ContainsFunc(c.Rules, func(r seccomp.Rule) bool { return r.Verdict.Action >= seccomp.KillThread }) {
			out = append(out, c.Name)
		}
	}
	if e.enforced.Default.Action >= seccomp.KillThread {
		out = append(out, "all others")
	}
	return out
}

// kept are the arguments worth keeping: those that a condition looks at, so that the verdict can be evaluated, and those
// that a reader wants to know.
func (e *Explainer) kept() map[uint32]uint32 {
	bits := map[string]uint32{}
	for name, list := range told {
		for _, a := range list {
			bits[name] |= 1 << a.index
		}
	}
	for _, p := range []seccomp.Profile{e.enforced, e.ceiling} {
		for _, c := range p.Calls {
			bits[c.Name] |= conditionBits(c)
		}
	}
	out := map[uint32]uint32{}
	for name, b := range bits {
		if n, ok := syscalls.Number(e.arch, name); ok && b != 0 {
			out[n] = b
		}
	}
	return out
}

func conditionBits(c seccomp.Call) uint32 {
	b := uint32(0)
	for _, r := range c.Rules {
		for _, cond := range r.Conds {
			b |= 1 << cond.Arg
		}
	}
	return b
}

// denial puts an event into words. It is false for a call that was under way when the watcher came: the filter had let it pass.
func (e *Explainer) denial(ev event) (Denial, bool) {
	foreign := ev.Flags&flagForeign != 0 || e.arch == "amd64" && ev.Number&x32 != 0
	name, known := callName(ev.Number, e.arch, ev.Flags&flagForeign != 0)
	d := Denial{
		Process: string(bytes.TrimRight(ev.Command[:], "\x00")), PID: int(ev.ContainerPID), HostPID: int(ev.PID),
		Call: name, Number: ev.Number,
	}
	if i := strings.IndexByte(d.Process, 0); i >= 0 {
		d.Process = d.Process[:i]
	}
	v := seccomp.Verdict{Action: seccomp.KillThread}
	if !foreign {
		v = e.enforced.Evaluate(name, ev.Args)
		d.Arguments = arguments(name, ev.Args, conditionBits(e.enforced.Call(name))|conditionBits(e.ceiling.Call(name)))
	}
	if ev.Flags&flagFirst != 0 && v.Action.Permits() && (known || ev.Result != -int64(unix.ENOSYS)) {
		return d, false
	}
	if e.skipped(ev, known, v) {
		return d, false
	}
	d.Verdict = verdictWords(ev, v)
	d.Reason = e.reason(ev, name, known, foreign, v)
	return d, true
}

// skipped is a call that the filter let pass and that did not run all the same: its thread was killed while a tracer held it at the
// call's entry. The result is what the register holds before any call, and nobody gets it.
func (e *Explainer) skipped(ev event, known bool, v seccomp.Verdict) bool {
	return known && v.Action <= seccomp.Log && ev.Result == -int64(unix.ENOSYS) && !e.brought(ev)
}

// brought tells that the process has filters of its own.
func (e *Explainer) brought(ev event) bool { return e.filters > 0 && ev.Filters > e.filters }

// x32 is __X32_SYSCALL_BIT of asm/unistd.h.
const x32 = 1 << 30

// crowd is a row for calls that were counted by number alone.
func (e *Explainer) crowd(number uint32, n uint64) Denial {
	name, _ := callName(number, e.arch, false)
	if number == numbers-1 {
		name = "other system calls"
	}
	return Denial{Call: name, Number: number, Count: n, Verdict: "denied", Reason: Reason{By: ByOther,
		Why: "there were too many processes and arguments to keep each apart"}}
}

func verdictWords(ev event, v seccomp.Verdict) string {
	switch {
	case ev.Flags&flagKilled != 0, v.Action >= seccomp.KillThread:
		return "killed"
	case ev.Result < 0 && ev.Result >= -4095:
		if name := unix.ErrnoName(syscall.Errno(-ev.Result)); name != "" {
			return name
		}
		return fmt.Sprintf("errno %d", -ev.Result)
	case v.Action == seccomp.Trap:
		return "SIGSYS"
	case uint32(ev.Result) == ev.Number: //nolint:gosec // a call that is rolled back returns its number
		return "SIGSYS or killed"
	}
	return fmt.Sprintf("result %d", ev.Result)
}

// reason finds who denied the call.
func (e *Explainer) reason(ev event, name string, known, foreign bool, v seccomp.Verdict) Reason {
	own := Reason{By: ByProcess, Why: fmt.Sprintf("a filter that the process brought itself: it has %d, the container %d", ev.Filters, e.filters)}
	switch {
	case foreign:
		return Reason{By: ByRuntime, Why: "the filter knows the native architecture only: a call of another one (i386, x32, 32-bit Arm) ends the thread"}
	case v.Action.Permits() && e.brought(ev):
		return own
	case !known && ev.Result == -int64(unix.ENOSYS) && len(e.enforced.Call(name).Rules) == 0:
		return Reason{By: ByRuntime, Why: "the profile has no rule for this number, which is newer than it: the runtime's filter answers that there is no such call"}
	case v.Action == seccomp.Errno && ev.Result != -int64(v.Errno) && e.brought(ev):
		return own
	case v.Action.Permits() && !known && ev.Result == -int64(unix.ENOSYS):
		return Reason{By: ByRuntime, Why: "the runtime's libseccomp does not know the call, so its filter answers that there is none"}
	case v.Action.Permits():
		return Reason{By: ByOther, Why: "not the profile, which permits it: an agent, a tracer, or arguments that changed meanwhile"}
	}
	return e.profileReason(ev, name)
}

// profileReason is the reason of a call that the enforced profile denies.
func (e *Explainer) profileReason(ev event, name string) Reason {
	r := Reason{By: ByProfile, Rule: ruleText(e.enforced, name, ev.Args)}
	if e.hasCeiling && e.ceiling.Evaluate(name, ev.Args).Action.Permits() {
		r.By = ByCaller
		r.Why = fmt.Sprintf("the engine's own seccomp profile denies it; the seccomp profile %q would permit it", e.name)
		return r
	}
	row, ok := e.row(name, ev.Args)
	switch {
	case ok && row.Action == "deny":
		r.Group, r.Why = row.Group, row.Reason
	case ok:
		r.Group, r.Why = row.Group, "permitted only with other arguments: "+row.Reason
	default:
		r.Why = fmt.Sprintf("the seccomp profile %q has no rule that permits it", e.name)
	}
	return r
}

// ruleText is the rule that gave the verdict, such as "SCMP_ACT_ERRNO(38)", or the default.
func ruleText(p seccomp.Profile, name string, args [6]uint64) string {
	for _, r := range p.Call(name).Rules {
		if r.Match(args) {
			return r.String()
		}
	}
	return "default " + p.Default.String()
}

// row finds the row of the table that denies the call, or else the one that permits it for other arguments.
func (e *Explainer) row(name string, args [6]uint64) (profiles.SeccompRow, bool) {
	var permits *profiles.SeccompRow
	for i, r := range e.rows {
		if !slices.Contains(r.Names, name) || !slices.Contains(r.Profiles, e.name) {
			continue
		}
		if r.Action == "deny" && rowMatches(r, args) {
			return r, true
		}
		if r.Action != "deny" && permits == nil {
			permits = &e.rows[i]
		}
	}
	if permits == nil {
		return profiles.SeccompRow{}, false
	}
	return *permits, true
}

func rowMatches(r profiles.SeccompRow, args [6]uint64) bool {
	return len(r.Rules) == 0 || slices.ContainsFunc(r.Rules, func(conds []specs.LinuxSeccompArg) bool {
		for _, c := range conds {
			if c.Index > 5 || !condMatches(c, args[c.Index]) {
				return false
			}
		}
		return true
	})
}

// condMatches knows the operators that the table uses.
func condMatches(c specs.LinuxSeccompArg, x uint64) bool {
	switch c.Op {
	case specs.OpEqualTo:
		return x == c.Value
	case specs.OpNotEqual:
		return x != c.Value
	case specs.OpMaskedEqual:
		return x&c.Value == c.ValueTwo
	}
	return false
}
