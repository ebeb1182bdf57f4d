package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/seccomp/record"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

const (
	// recordInterval is the time between two looks at the counters, recordPause that between two writes of the file at least.
	recordInterval = 250 * time.Millisecond
	recordPause    = time.Second
)

// A callRecorder is one of the recorders.
type callRecorder interface {
	Began() (bool, error)
	Mark() error
	Read(*recording.Recording, time.Time) (changed bool, err error)
	Close() error
}

// A recordSession records one container into one file.
type recordSession struct {
	request  container.RecordRequest
	init     *os.File // pidfd of the first process
	recorder callRecorder
	file     string
	watch    string // what the runtime reads, for a recorder by notification
	rec      recording.Recording
	entry    *recorderEntry
	await    func() // the end of the workload
	stop     chan os.Signal
	written  time.Time
	ended    bool // the container has
}

// beginRecording returns when every call counts and the file is there. The pidfd, which has to name the request's process, is the
// session's from then on.
func beginRecording(q container.RecordRequest, init *os.File) (_ *recordSession, err error) {
	if q.Recorder == recording.ByNotify {
		return nil, errors.New("record with user notification: it has to be there when the workload starts; use record -- COMMAND, record --bundle or a recording runtime")
	}
	s := &recordSession{request: q, init: init, stop: make(chan os.Signal, 4), await: func() { awaitEnd(init) }}
	// Signals are taken before anything is there to be undone.
	signal.Notify(s.stop, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
			if s.file != "" {
				_ = os.Remove(s.file) // it is this session's, and has nothing in it
			}
		}
	}()
	target, err := record.DenialTargetOf(q.PID)
	if err != nil {
		return nil, err
	}
	inBPF, err := record.NewRecorder(target, time.Now())
	if err != nil {
		return nil, err
	}
	s.recorder = inBPF
	debug.FreeOSMemory() // a recorder lives as long as its container
	s.describe()
	if hasEnded(init) {
		return nil, fmt.Errorf("record %q: its first process has ended", q.ID)
	}
	if s.file, err = newRecordingFile(q); err != nil {
		return nil, err
	}
	if err := s.write(false); err != nil {
		return nil, err
	}
	s.entry, err = enterRecorder(q.StateDir, recorderEntry{PID: os.Getpid(), Name: s.rec.Name, Container: q.ID, File: s.file})
	return s, err
}

// describe fills in what does not change.
func (s *recordSession) describe() {
	q := s.request
	s.rec = recording.Recording{Name: q.Name, Container: q.ID, Image: q.Image, Command: q.Command, Runtime: q.Version, Profile: q.Profile}
	if s.rec.Name == "" {
		s.rec.Name = q.ID
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		s.rec.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	s.rec.Libc = record.Libc(q.PID, q.Command, q.Env, q.Cwd)
}

// run records until the container ends or a signal asks for the end, and completes the file.
func (s *recordSession) run(limit time.Duration) error {
	var timeout <-chan time.Time
	if limit > 0 {
		timeout = time.After(limit)
	}
	gone := make(chan struct{})
	go func() {
		s.await()
		close(gone)
	}()
	tick := time.NewTicker(recordInterval)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			s.ended = true
			return s.finish()
		case <-timeout:
			return s.finish()
		case sig := <-s.stop:
			if sig != unix.SIGUSR1 {
				return s.finish()
			}
			if err := s.recorder.Mark(); err != nil {
				return errors.Join(err, s.finish())
			}
		case <-tick.C:
			if err := s.look(); err != nil {
				return errors.Join(err, s.finish())
			}
		}
	}
}

// awaitEnd waits until a pidfd's process has ended.
func awaitEnd(pidfd *os.File) {
	for {
		fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}} //nolint:gosec // a descriptor
		if n, err := unix.Poll(fds, -1); err == nil && n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// look reads the counters, and writes when there is something new and the last write is long enough ago.
func (s *recordSession) look() error {
	phases := len(s.rec.Phases)
	changed, err := s.recorder.Read(&s.rec, time.Now())
	if err != nil {
		return err
	}
	s.entry.stale = s.entry.stale || changed || phases != len(s.rec.Phases)
	if !s.entry.stale || time.Since(s.written) < recordPause {
		return nil
	}
	return s.write(false)
}

// write writes the file. Until the last write it says of itself that it was cut short: whoever kills this program cannot.
func (s *recordSession) write(last bool) error {
	s.rec.Losses.CutShort = !last
	s.rec.Ended = time.Time{}
	if _, err := s.recorder.Read(&s.rec, time.Now()); err != nil {
		return err
	}
	write := recording.Write
	if last {
		write, s.rec.Ended = recording.WriteDurably, time.Now().Round(0).UTC()
	}
	s.written = time.Now()
	if s.entry != nil {
		s.entry.stale = false
	}
	return write(s.file, &s.rec)
}

// finish completes the file. A container whose workload never began leaves none.
func (s *recordSession) finish() error {
	began, err := s.recorder.Began()
	if err == nil {
		err = s.write(true)
	}
	if err == nil && !began {
		err = os.Remove(s.file)
	}
	return errors.Join(err, s.close())
}

func (s *recordSession) close() error {
	signal.Stop(s.stop)
	var errs []error
	if s.entry != nil {
		errs = append(errs, s.entry.leave())
	}
	if s.recorder != nil {
		errs = append(errs, s.recorder.Close())
	}
	runtime.KeepAlive(s.init)
	return errors.Join(errs...)
}
