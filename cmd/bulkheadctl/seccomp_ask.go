package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
	"github.com/bulkhead-runtime/bulkhead/seccomp/source"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

func seccompAskCommand() *cli.Command {
	return seccompSub("test", "tell what a call gets, and which rule says so", "PROFILE SYSCALL [ARG...]", 2, 8, func(ctx *cli.Context) error {
		args := ctx.Args().Slice()
		in, err := readSeccomp(ctx, args[0])
		if err != nil {
			return err
		}
		call, err := readCall(in[0].Profile.Arch, args[1], args[2:])
		if err != nil {
			return err
		}
		v := ask(in[0].Source, call)
		if v.Why, err = tableReasons(args[0], v); err != nil {
			return err
		}
		if err := show(ctx, v, func(w io.Writer) { v.write(w, outputWidth(), in[0].name) }); err != nil {
			return err
		}
		if !v.Permits {
			return &statusError{status: 1}
		}
		return nil
	})
}

// A seccompAnswer is the verdict of one call.
type seccompAnswer struct {
	Call    string    `json:"call"`
	Number  uint32    `json:"number"`
	Args    [6]string `json:"args"`
	Verdict string    `json:"verdict"`
	Permits bool      `json:"permits"`
	// Rule says where the verdict comes from: an entry of the file, or the default, or the runtime.
	Rule      string   `json:"rule"`
	Line      int      `json:"line,omitempty"`
	Column    int      `json:"column,omitempty"`
	Condition []string `json:"condition,omitempty"`
	// Why has the reasons of bulkhead's table, when the profile is one of bulkhead's.
	Why []string `json:"why,omitempty"`
	// Left are the entries for the call that hold for other containers.
	Left []string `json:"leftOut,omitempty"`
	args [6]uint64
}

// readCall reads the name or the number of a call, and its arguments.
func readCall(arch, word string, words []string) (seccompAnswer, error) {
	a := seccompAnswer{Call: word}
	nr, ok := syscalls.Number(arch, word)
	if n, err := strconv.ParseUint(word, 0, 32); err == nil {
		nr, ok = uint32(n), true
		a.Call, _ = syscalls.Name(arch, nr)
	}
	switch {
	case ok:
	case syscalls.Known(word):
		return a, fmt.Errorf("read system call %q: %s does not have it", word, arch)
	case syscalls.Nearest(word) != "":
		return a, fmt.Errorf("read system call %q: there is none of that name, did you mean %q?", word, syscalls.Nearest(word))
	default:
		return a, fmt.Errorf("read system call %q: there is none of that name", word)
	}
	a.Number = nr
	for i, w := range words {
		x, err := readArgument(w)
		if err != nil {
			return a, err
		}
		a.args[i] = x
	}
	for i, x := range a.args {
		a.Args[i] = fmt.Sprintf("%#x", x)
	}
	return a, nil
}

// ask fills in the verdict and its rule.
func ask(s *source.Source, a seccompAnswer) seccompAnswer {
	p := s.Profile
	v := p.Evaluate(a.Call, a.args)
	a.Rule = "the default"
	arch, err := compile.Arch(p.Arch)
	if last := compile.Last(p.ToOCI(), arch); err == nil && int64(a.Number) > int64(last) && last > 0 && !p.Default.Action.Permits() {
		v = seccomp.Verdict{Action: seccomp.Errno, Errno: 38}
		a.Rule = fmt.Sprintf("the runtime: the number is above %d, the last one that the profile names", last)
	} else if e := decisive(s, a.Call, a.args, v); e != nil {
		a.Rule, a.Line, a.Column = e.Path, e.Line, e.Column
		for _, r := range p.Call(a.Call).Rules {
			if r.Verdict == v && r.Match(a.args) && len(r.Conds) > 0 {
				a.Condition = conditionText([][]seccomp.Cond{r.Conds})
				break
			}
		}
	}
	for _, e := range s.Entries {
		if !e.Holds && slices.Contains(e.Syscall.Names, a.Call) {
			a.Left = append(a.Left, fmt.Sprintf("%s %s: %s", e.Path, e.When, e.Syscall.Action))
		}
	}
	a.Verdict, a.Permits = v.String(), v.Action.Permits()
	return a
}

// tableReasons are those of the table's rows about a call in a profile, for what the profile decides about these arguments.
func tableReasons(profile string, a seccompAnswer) ([]string, error) {
	rows, err := profiles.SeccompTable()
	var out []string
	for _, r := range rows {
		if slices.Contains(r.Profiles, profile) && slices.Contains(r.Names, a.Call) && (len(r.Rules) > 0 || (r.Action == "allow") == a.Permits) {
			out = append(out, r.Action+": "+r.Reason)
		}
	}
	return out, err
}

// decisive is the first entry that alone gives the verdict: an unconditional one before the others.
func decisive(s *source.Source, name string, args [6]uint64, v seccomp.Verdict) *source.Entry {
	for _, bare := range []bool{true, false} {
		for i := range s.Entries {
			e := &s.Entries[i]
			if !e.Holds || !slices.Contains(e.Syscall.Names, name) || (len(e.Syscall.Args) == 0) != bare {
				continue
			}
			alone := specs.LinuxSeccomp{DefaultAction: s.OCI.DefaultAction, DefaultErrnoRet: s.OCI.DefaultErrnoRet, Syscalls: []specs.LinuxSyscall{e.Syscall}}
			p, err := seccomp.FromOCI(&alone, s.Profile.Arch)
			if err != nil {
				continue
			}
			if slices.ContainsFunc(p.Call(name).Rules, func(r seccomp.Rule) bool { return r.Verdict == v && r.Match(args) }) {
				return e
			}
		}
	}
	return nil
}

func (a seccompAnswer) write(w io.Writer, width int, file string) {
	rule := a.Rule
	if a.Line > 0 {
		rule = fmt.Sprintf("%s:%d:%d: %s", file, a.Line, a.Column, a.Rule)
	}
	name := a.Call
	if name == "" {
		name = "call"
	}
	rows := [][2]string{{"call", fmt.Sprintf("%s, number %d", name, a.Number)}, {"verdict", a.Verdict}, {"rule", rule}}
	for _, c := range a.Condition {
		rows = append(rows, [2]string{"because", c})
	}
	for _, l := range a.Left {
		rows = append(rows, [2]string{"left out", l})
	}
	for _, y := range a.Why {
		rows = append(rows, [2]string{"why", y})
	}
	table(w, width, rows)
}
