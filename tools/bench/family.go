package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A cost is what one operation took. CPU is user and system time of the runtime's processes and, where the container
// ends within the operation, of the container's, too.
type cost struct {
	Wall, CPU time.Duration
	// RSS is the largest resident size of any one process, in bytes; known only when asked for.
	RSS int64
}

func (c *cost) add(d cost) {
	c.Wall += d.Wall
	c.CPU += d.CPU
	c.RSS = max(c.RSS, d.RSS)
}

// A family starts programs and reaps them, and it adopts the processes that they leave behind, as an engine's shim
// does. That way the CPU time of a detached container is known, and no dead process is left for a runtime to wait for.
type family struct {
	null, out *os.File
	self      string
	// rss has every program started through launch.
	rss bool
	// orphans are adopted processes that have ended, by pid.
	orphans map[int]cost
}

// An exitError is a program that did not end well.
type exitError struct {
	argv   []string
	status int
	output string
}

func (e *exitError) Error() string {
	return fmt.Sprintf("run %q: exit status %d: %s", strings.Join(e.argv, " "), e.status, e.output)
}

func newFamily() (*family, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become subreaper: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	// Appended to, because programs share it.
	name := filepath.Join(os.TempDir(), fmt.Sprintf("bulkhead-bench-%d.out", os.Getpid()))
	out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &family{null: null, out: out, self: self, orphans: map[int]cost{}}, os.Remove(name)
}

func (f *family) close() {
	_ = f.null.Close()
	_ = f.out.Close()
}

// start starts a program with no input. Its output goes to one file, emptied for each program.
func (f *family) start(argv []string) (pid int, err error) {
	if err := f.out.Truncate(0); err != nil {
		return 0, err
	}
	files := []uintptr{f.null.Fd(), f.out.Fd(), f.out.Fd()}
	if f.rss {
		argv = append([]string{f.self, "launch"}, argv...)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return 0, err
	}
	return syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: os.Environ(), Files: files})
}

// run runs a program to its end and reaps what ends meanwhile.
func (f *family) run(argv ...string) (cost, error) {
	begin := time.Now()
	pid, err := f.start(argv)
	if err != nil {
		return cost{}, fmt.Errorf("start %s: %w", argv[0], err)
	}
	for {
		got, status, c, err := reap()
		if err != nil {
			return cost{}, err
		}
		if got != pid {
			f.orphans[got] = c
			continue
		}
		c.Wall = time.Since(begin)
		output := f.output()
		if f.rss {
			c.RSS, output = launched(output)
		}
		if status != 0 {
			return c, &exitError{argv: argv, status: status, output: string(bytes.TrimSpace(output))}
		}
		return c, nil
	}
}

// output is what the last program printed.
func (f *family) output() []byte {
	st, err := f.out.Stat()
	if err != nil {
		return nil
	}
	b := make([]byte, st.Size())
	n, _ := f.out.ReadAt(b, 0)
	return b[:n]
}

// adopted waits for the end of a process that a program left behind.
func (f *family) adopted(pid int) (cost, error) {
	for {
		if c, ok := f.orphans[pid]; ok {
			delete(f.orphans, pid)
			return c, nil
		}
		got, _, c, err := reap()
		if err != nil {
			return cost{}, err
		}
		f.orphans[got] = c
	}
}

// reap waits for the end of any child. Its wall time is not known here, its resident size only where the child was not
// started from here: see launch.
func reap() (pid, status int, c cost, err error) {
	var ws unix.WaitStatus
	var ru unix.Rusage
	for {
		pid, err = unix.Wait4(-1, &ws, 0, &ru)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return 0, 0, cost{}, fmt.Errorf("wait for a child: %w", err)
	}
	status = ws.ExitStatus()
	if ws.Signaled() {
		status = 128 + int(ws.Signal())
	}
	return pid, status, cost{CPU: time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), RSS: ru.Maxrss << 10}, nil
}

const rssMark = "peak-rss "

// launch runs a program and adds its peak resident size to the output. It is a process of its own because execve(2)
// passes the peak of the calling program on to the new one (getrusage(2) does not say so, mm/exec does): started from
// the bench itself, every runtime would be at least as large as the bench.
func launch(argv []string) int {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return 127
	}
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 126
	}
	var ws unix.WaitStatus
	var ru unix.Rusage
	for {
		if _, err = unix.Wait4(pid, &ws, 0, &ru); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_, _ = os.Stdout.WriteString("\n" + rssMark + strconv.FormatInt(ru.Maxrss<<10, 10))
	return ws.ExitStatus()
}

// launched takes apart what launch printed.
func launched(output []byte) (rss int64, rest []byte) {
	rest, last, _ := bytes.Cut(output, []byte("\n"+rssMark))
	rss, _ = strconv.ParseInt(string(last), 10, 64)
	return rss, rest
}
