package container

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/rootview"
)

// RecordOptions ask for a recording of the system calls of the containers that a [Runtime] creates.
type RecordOptions struct {
	// File of the recording; empty for one in bulkhead's own directory.
	File string `json:"file,omitempty"`
	// Name of the recording; empty for the container's ID.
	Name string `json:"name,omitempty"`
	// Recorder is "auto", "bpf" or "notify".
	Recorder string `json:"recorder,omitempty"`
	// Version of the runtime, for the recording.
	Version string `json:"version"`
}

// A RecordRequest is what the runtime tells its recorder, as JSON on standard input.
type RecordRequest struct {
	RecordOptions
	ID       string   `json:"id"`
	Image    string   `json:"image,omitempty"`
	Profile  string   `json:"profile"`
	StateDir string   `json:"stateDir"`
	Command  []string `json:"command"`
	Env      []string `json:"env,omitempty"`
	Cwd      string   `json:"cwd"`
	// PID and Start name the container's first process. A recorder by notification is there before that: they name the process that
	// creates the container.
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// A RecordAnswer is the one line that the recorder writes to standard output: it is in place, or cannot be.
type RecordAnswer struct {
	File string `json:"file,omitempty"`
	// Watch is how a recorder by notification is asked: the path of what LoadWatch reads.
	Watch string `json:"watch,omitempty"`
	Error string `json:"error,omitempty"`
}

// A Recorder is what a container's record says of the process that records it.
type Recorder struct {
	File  string `json:"file"`
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// RecordingAnnotation is in the state of a container that is recorded: the path of the file.
const RecordingAnnotation = "dev.bulkhead.recording"

const (
	// recorderProgram is the recorder, beside the runtime; recorderCommand are its arguments.
	recorderProgram = "bulkheadctl"
	// recorderPatience bounds the wait for a recorder to be in place, and that of delete for its end.
	recorderPatience, recorderEnd = 30 * time.Second, 5 * time.Second
)

// recordByNotify is RecordOptions.Recorder for user notification.
const recordByNotify = "notify"

func recorderCommand() []string { return []string{"seccomp", "recorder"} }

// startRecorder starts the recorder and waits until it is in place: the first process waits at the exec fifo meanwhile. A container
// that cannot be recorded is not created.
func (c *creation) startRecorder() error {
	if c.Record == nil || c.rec.Recorder != nil {
		return nil
	}
	pid, err := c.process.Pid()
	if err != nil {
		return fmt.Errorf("record %q: %w", c.o.ID, err)
	}
	_, err = c.runRecorder(pid)
	return err
}

// startNotified starts a recorder by notification, which has to be there when the filter is loaded.
func (c *creation) startNotified() error {
	if c.Record == nil || c.Record.Recorder != recordByNotify {
		return nil
	}
	answer, err := c.runRecorder(os.Getpid())
	if err != nil {
		return err
	}
	if c.asking, err = LoadWatch(answer.Watch); err != nil {
		return fmt.Errorf("record %q: %w", c.o.ID, err)
	}
	return nil
}

// endNotified ends a recorder that no filter has been loaded for, or not to any use.
func (c *creation) endNotified() {
	if c.asking != nil && c.rec != nil && c.rec.Recorder != nil {
		_ = unix.Kill(c.rec.Recorder.PID, unix.SIGTERM) // this process's child, which nobody has waited for
	}
}

// runRecorder starts the recorder, tells it of a process and waits until it is in place.
func (c *creation) runRecorder(pid int) (RecordAnswer, error) {
	program, err := trustedRecorder()
	if err != nil {
		return RecordAnswer{}, fmt.Errorf("record %q: %w", c.o.ID, err)
	}
	request, err := json.Marshal(RecordRequest{
		RecordOptions: *c.Record, ID: c.o.ID, Image: profiles.ImageName(c.asked.Annotations), Profile: c.policy.Profile.Name, StateDir: c.Config.StateDir,
		Command: c.hardened.Process.Args, Env: c.hardened.Process.Env, Cwd: c.hardened.Process.Cwd, PID: pid, Start: startTime(pid),
	})
	if err != nil {
		return RecordAnswer{}, fmt.Errorf("record %q: %w", c.o.ID, err)
	}
	p := &recorderProcess{program: program, mounts: c.HostMounts}
	answer, err := p.start(request)
	if err != nil {
		return RecordAnswer{}, fmt.Errorf("record %q: %w", c.o.ID, err)
	}
	c.rec.Recorder = &Recorder{File: answer.File, PID: p.cmd.Process.Pid, Start: startTime(p.cmd.Process.Pid)}
	_ = p.cmd.Process.Release()
	return answer, nil
}

// A recorderProcess is the recorder while create waits for it.
type recorderProcess struct {
	program string
	mounts  *os.File
	cmd     *exec.Cmd
}

// start runs the recorder apart from everything that is the container's: in a session of its own, in the caller's mount namespace and
// cgroup, with no descriptor but a pipe each way.
func (p *recorderProcess) start(request []byte) (RecordAnswer, error) {
	// What the caller passed to this process is not for the recorder: it would hold the caller's pipes open.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return RecordAnswer{}, fmt.Errorf("close descriptors: %w", err)
	}
	p.cmd = exec.Command(p.program, recorderCommand()...)
	p.cmd.Dir, p.cmd.Env = "/", []string{}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p.cmd.Stdin = strings.NewReader(string(request))
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return RecordAnswer{}, err
	}
	// In the caller's mount namespace, where the file is to be: this process's own has the container's staged mounts, which would
	// live on in it.
	if err := rootview.InNamespace(p.mounts, p.cmd.Start); err != nil {
		return RecordAnswer{}, fmt.Errorf("start %q: %w", p.program, err)
	}
	late := time.AfterFunc(recorderPatience, func() { _ = p.cmd.Process.Kill() })
	line, err := bufio.NewReader(io.LimitReader(out, 1<<16)).ReadBytes('\n')
	inTime := late.Stop()
	var answer RecordAnswer
	if err == nil {
		err = json.Unmarshal(line, &answer)
	}
	switch {
	case !inTime:
		err = fmt.Errorf("the recorder is not in place after %s", recorderPatience)
	case err != nil:
		err = fmt.Errorf("the recorder has ended without an answer: %w", err)
	case answer.Error != "":
		err = errors.New(harmless(answer.Error))
	}
	if err != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
	return answer, err
}

// harmless takes out of a text what engines read meanings into.
func harmless(text string) string {
	return strings.NewReplacer("permission denied", "access refused", "no such file or directory", "it is absent",
		"is a directory", "it is no file", "not running", "not alive").Replace(text)
}

// trustedRecorder is the recorder beside this program. It runs as root, so nobody but root may have written it.
func trustedRecorder() (string, error) {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return "", fmt.Errorf("find the recorder: %w", err)
	}
	path := filepath.Join(filepath.Dir(self), recorderProgram)
	st, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("find the recorder: there is no %q, which is installed beside the runtime", path)
	}
	if err != nil {
		return "", fmt.Errorf("find the recorder: %w", err)
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !st.Mode().IsRegular():
		return "", fmt.Errorf("find the recorder: %q is no regular file", path)
	case sys.Uid != 0 || st.Mode().Perm()&0o022 != 0:
		return "", fmt.Errorf("find the recorder: %q belongs to user %d with mode %04o, want a program that only root can write", path, sys.Uid, st.Mode().Perm())
	}
	return path, nil
}

// awaitRecorder waits for the recorder's end, which follows the container's: the file is complete then. It is no error when it does
// not come.
func awaitRecorder(rec *Holding) {
	if rec.Recorder == nil {
		return
	}
	fd, err := unix.PidfdOpen(rec.Recorder.PID, 0)
	if err != nil {
		return // it has ended
	}
	defer unix.Close(fd)
	if !alive(rec.Recorder.PID, rec.Recorder.Start) {
		return
	}
	if err := waitPidfd(fd, rec.Recorder.PID, int(recorderEnd.Milliseconds())); err != nil {
		logrus.Warnf("delete %q: the recording %q is not complete yet: %v", rec.ID, rec.Recorder.File, err)
	}
}
