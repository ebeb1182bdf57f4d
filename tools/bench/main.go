// Command bench measures bulkhead beside runc and crun on one bundle like Docker's and prints what it found. It is not
// a test: it asserts no time and fails only when something cannot be measured.
//
//	bench [-n RUNS] [-json FILE] [-bulkhead PROGRAM] [-cache DIR] [-recording]
//
// runc is built from source in the version of go.mod, crun is the installed one. All measurements of an operation are
// interleaved (A B C A B C ...) after a warm-up, so that a busy moment of the machine hits everybody. Nothing is pinned.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// options are the flags.
type options struct {
	runs            int
	json            string
	bulkhead, cache string
	recording       bool
}

func main() {
	if len(os.Args) > 1 {
		// The program is also its own two small tools, see launch and timeCalls.
		switch os.Args[1] {
		case "launch":
			os.Exit(launch(os.Args[2:]))
		case "calls":
			timeCalls(os.Stdout)
			return
		}
	}
	var o options
	flag.IntVar(&o.runs, "n", 30, "measure each operation so many times")
	flag.StringVar(&o.json, "json", "", "write the raw figures to this file")
	flag.StringVar(&o.bulkhead, "bulkhead", "bin/bulkhead", "the bulkhead to measure")
	flag.StringVar(&o.cache, "cache", "", "keep the built runc here (default: the user's cache directory)")
	flag.BoolVar(&o.recording, "recording", false, "measure only what it costs to record system calls")
	flag.Parse()
	if err := bench(o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench prepares the runtimes and the bundle, measures, and reports.
func bench(o options, w io.Writer) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("start containers: root is needed")
	}
	if o.runs < 1 {
		return fmt.Errorf("read -n: %d is less than 1", o.runs)
	}
	if o.bulkhead, err = filepath.Abs(o.bulkhead); err != nil {
		return err
	}
	if o.recording {
		return benchRecording(o, w)
	}
	runc, version, err := buildRunc(o.cache)
	if err != nil {
		return err
	}
	f, err := newFamily()
	if err != nil {
		return err
	}
	defer f.close()
	b, err := newBench(f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	installed, err := b.place.install(runc, o.bulkhead)
	if err != nil {
		return err
	}
	b.candidates = []*runtime{
		{Name: "runc " + version, program: installed[0], needed: true},
		{Name: "bulkhead", program: installed[1], needed: true},
		{Name: "crun", program: "crun"},
		{Name: "crun, no cgroup", program: "crun", flags: []string{"--cgroup-manager=disabled"}},
	}
	r := newReport(o.runs)
	if err := b.choose(&r); err != nil {
		return err
	}
	r.head(w)
	if err := b.measure(o.runs, &r); err != nil {
		return err
	}
	if err := b.recording(o.bulkhead, &r); err != nil {
		return err
	}
	r.print(w)
	r.printRecording(w)
	return r.write(o.json)
}

// benchRecording is the part of bench that needs no other runtime.
func benchRecording(o options, w io.Writer) (err error) {
	f, err := newFamily()
	if err != nil {
		return err
	}
	defer f.close()
	b, err := newBench(f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	r := newReport(recordingRuns)
	fmt.Fprintf(w, "machine: %s\n", r.Machine)
	if err := b.recording(o.bulkhead, &r); err != nil {
		return err
	}
	r.printRecording(w)
	return r.write(o.json)
}

// write writes the raw figures, where a file is named.
func (r *report) write(file string) error {
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o600)
}
