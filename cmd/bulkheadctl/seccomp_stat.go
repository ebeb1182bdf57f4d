package main

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/net/bpf"

	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

func seccompStatCommand() *cli.Command {
	return seccompSub("stat", "print the size, the speed and the reach of a profile's filter, and prove it", "PROFILE...", 1, -1, func(ctx *cli.Context) error {
		in, err := readSeccomp(ctx, ctx.Args().Slice()...)
		if err != nil {
			return err
		}
		all := make([]seccompFigures, 0, len(in))
		failed := false
		for _, s := range in {
			f, err := measureSeccomp(s)
			if err != nil {
				return err
			}
			failed = failed || f.Proof != ""
			all = append(all, f)
		}
		if err := show(ctx, all, func(w io.Writer) { writeFigures(w, outputWidth(), all) }); err != nil {
			return err
		}
		if failed {
			return &statusError{status: 1}
		}
		return nil
	})
}

// seccompFigures are those of one profile on one architecture.
type seccompFigures struct {
	Name string `json:"name"`
	Arch string `json:"arch"`
	compile.Stats
	// CompileMillis is the shortest of several runs.
	CompileMillis float64         `json:"compileMillis"`
	Layouts       []seccompLayout `json:"layouts"`
	// Proof is empty when the filter is proven, else what differs.
	Proof string `json:"proof,omitempty"`
}

// A seccompLayout is the same profile compiled in another way.
type seccompLayout struct {
	Name          string  `json:"name"`
	Instructions  int     `json:"instructions"`
	CompileMillis float64 `json:"compileMillis"`
	MeanSteps     float64 `json:"meanSteps,omitempty"`
	MostSteps     int     `json:"mostSteps,omitempty"`
}

// runs is how often something is timed.
const runs = 5

func shortest(f func() ([]bpf.RawInstruction, error)) (program []bpf.RawInstruction, millis float64, err error) {
	for i := range runs {
		start := time.Now()
		if program, err = f(); err != nil {
			return nil, 0, err
		}
		if took := float64(time.Since(start).Microseconds()) / 1000; i == 0 || took < millis {
			millis = took
		}
	}
	return program, millis, nil
}

func measureSeccomp(s seccompInput) (seccompFigures, error) {
	f := seccompFigures{Name: s.name, Arch: s.Profile.Arch}
	arch, err := compile.Arch(f.Arch)
	if err != nil {
		return f, err
	}
	oci := s.Profile.ToOCI()
	for i, l := range []compile.Layout{compile.LikeRunc, compile.Linear, compile.Tree} {
		program, millis, err := shortest(func() ([]bpf.RawInstruction, error) { return compile.ProgramAs(oci, arch, l) })
		if err != nil {
			return f, err
		}
		st, err := compile.Stat(s.Profile, program)
		if err != nil {
			return f, err
		}
		if i == 0 {
			f.Stats, f.CompileMillis = st, millis
			if err := compile.VerifyProgram(s.Profile, program); err != nil {
				f.Proof = err.Error()
			}
			continue
		}
		f.Layouts = append(f.Layouts, seccompLayout{[]string{"", "linear", "tree"}[i], st.Instructions, millis, st.MeanSteps, st.MostSteps})
	}
	if n := len(s.OCI.Architectures); n > 1 {
		for i, l := range []compile.Layout{compile.Linear, compile.Tree} {
			program, millis, err := shortest(func() ([]bpf.RawInstruction, error) { return compile.ProgramForAll(s.OCI, l) })
			if err != nil {
				return f, err
			}
			name := fmt.Sprintf("%s, all %d architectures", []string{"linear", "tree"}[i], n)
			f.Layouts = append(f.Layouts, seccompLayout{Name: name, Instructions: len(program), CompileMillis: millis})
		}
	}
	return f, nil
}

func writeFigures(w io.Writer, width int, all []seccompFigures) {
	for i, f := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		proof := "for every input the filter gives what the profile says"
		if f.Proof != "" {
			proof = "FAILED: " + f.Proof
		}
		rows := [][2]string{
			{"profile", fmt.Sprintf("%s on %s", f.Name, f.Arch)},
			{"calls", fmt.Sprintf("%d allowed with any arguments, %d with some, %d denied", f.Allowed, f.Conditional, f.Denied)},
			{"kernel's bitmap", fmt.Sprintf("%d calls are allowed without running the filter", f.Constant)},
			{"filter", fmt.Sprintf("%d instructions, compiled in %.2f ms; other calls run %.0f of them, at most %d", f.Instructions, f.CompileMillis, f.MeanSteps, f.MostSteps)},
			{"proof", proof},
		}
		for _, l := range f.Layouts {
			text := fmt.Sprintf("%d instructions, %.2f ms", l.Instructions, l.CompileMillis)
			if l.MostSteps > 0 {
				text += fmt.Sprintf("; other calls run %.0f, at most %d", l.MeanSteps, l.MostSteps)
			}
			rows = append(rows, [2]string{l.Name, text})
		}
		table(w, width, rows)
	}
}
