package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
	"golang.org/x/net/bpf"

	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

func seccompCompileCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the program to `FILE`, as the kernel takes it; - for standard output"},
		&cli.BoolFlag{Name: "disassemble", Usage: "print the program for people"},
	}
	return seccompSub("compile", "make the BPF program that runc would load, and prove it", "PROFILE", 1, 1, func(ctx *cli.Context) error {
		if ctx.String("output") == "" && !ctx.Bool("disassemble") {
			return fmt.Errorf("compile seccomp profile: want --output FILE or --disassemble")
		}
		in, err := readSeccomp(ctx, ctx.Args().First())
		if err != nil {
			return err
		}
		p := in[0].Profile
		arch, err := compile.Arch(p.Arch)
		if err != nil {
			return err
		}
		program, err := compile.Program(p.ToOCI(), arch)
		if err != nil {
			return err
		}
		if err := compile.VerifyProgram(p, program); err != nil {
			return &statusError{1, err}
		}
		v := seccompProgram{Name: in[0].name, Arch: p.Arch, Instructions: len(program)}
		return v.deliver(ctx, program)
	}, flags...)
}

type seccompProgram struct {
	Name         string           `json:"name"`
	Arch         string           `json:"arch"`
	Instructions int              `json:"instructions"`
	SHA256       string           `json:"sha256"`
	File         string           `json:"file,omitempty"`
	Listing      []seccompListing `json:"listing,omitempty"`
}

// A seccompListing is one instruction.
type seccompListing struct {
	Op   uint16 `json:"op"`
	Jt   uint8  `json:"jt"`
	Jf   uint8  `json:"jf"`
	K    uint32 `json:"k"`
	Text string `json:"text"`
}

func (v seccompProgram) deliver(ctx *cli.Context, program []bpf.RawInstruction) error {
	raw := rawProgram(program)
	sum := sha256.Sum256(raw)
	v.SHA256 = hex.EncodeToString(sum[:])
	switch out := ctx.String("output"); out {
	case "":
	case "-":
		_, err := ctx.App.Writer.Write(raw)
		return err
	default:
		if err := replaceFile(out, raw); err != nil {
			return fmt.Errorf("write seccomp filter: %w", err)
		}
		v.File = out
	}
	if ctx.Bool("disassemble") {
		for i, text := range compile.Listing(program, v.Arch) {
			in := program[i]
			v.Listing = append(v.Listing, seccompListing{in.Op, in.Jt, in.Jf, in.K, text})
		}
	}
	return show(ctx, v, func(w io.Writer) {
		for i, l := range v.Listing {
			fmt.Fprintf(w, "%4d  %s\n", i, l.Text)
		}
		if v.File != "" {
			fmt.Fprintf(w, "%s: %s, sha256 %s\n", v.File, count(v.Instructions, "instruction"), v.SHA256)
		}
	})
}

// rawProgram is an array of struct sock_filter (linux/filter.h), in this machine's byte order.
func rawProgram(program []bpf.RawInstruction) []byte {
	var b bytes.Buffer
	for _, in := range program {
		_ = binary.Write(&b, binary.NativeEndian, in) // a buffer takes everything
	}
	return b.Bytes()
}

// replaceFile writes beside a file and renames, so that nobody reads half of it.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
