package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/seccomp/notify"
	"github.com/bulkhead-runtime/bulkhead/seccomp/record"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// beginAnswering is beginRecording for a container that is about to be created, by notification. creator is a pidfd of the process that
// creates it.
func beginAnswering(q container.RecordRequest, creator *os.File) (_ *recordSession, err error) {
	s := &recordSession{request: q, init: creator, stop: make(chan os.Signal, 4)}
	signal.Notify(s.stop, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	n, err := newAnsweringRecorder(q)
	if err != nil {
		return nil, err
	}
	s.recorder, s.watch, s.await = n, filepath.Join(n.dir, "watch.json"), func() { n.await(creator) }
	s.describe()
	s.rec.Libc = "" // of the creator: the container's is read when there is one
	if s.file, err = newRecordingFile(q); err != nil {
		return nil, err
	}
	if err := s.write(false); err != nil {
		return nil, err
	}
	s.entry, err = enterRecorder(q.StateDir, recorderEntry{PID: os.Getpid(), Name: s.rec.Name, Container: q.ID, File: s.file})
	return s, err
}

// An answeringRecorder has a socket to which the runtime sends the listeners of a container's filters: create's, and those of exec.
type answeringRecorder struct {
	*notify.Recorder
	request container.RecordRequest
	dir     string
	socket  *notify.Socket
	first   chan struct{} // closed with the first listener

	mu      sync.Mutex
	serving map[*notify.Listener]bool
	ended   *sync.Cond // serving has become less
	libc    string
	failed  error
}

func newAnsweringRecorder(q container.RecordRequest) (_ *answeringRecorder, err error) {
	if err := os.MkdirAll(q.StateDir, 0o711); err != nil {
		return nil, fmt.Errorf("make directory of the listener: %w", err)
	}
	removeWatches(q.StateDir)
	dir, err := os.MkdirTemp(q.StateDir, fmt.Sprintf("watch-%d-", os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("make directory of the listener: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	quiet, unseen := notify.Quiet(runtime.GOARCH, notify.HandedOver())
	n := &answeringRecorder{
		Recorder: notify.NewRecorder(unseen, time.Now), request: q, dir: dir, first: make(chan struct{}), serving: map[*notify.Listener]bool{},
	}
	n.ended = sync.NewCond(&n.mu)
	watch := container.Watch{Socket: filepath.Join(dir, "listener.sock"), Quiet: quiet.ToOCI()}
	text, err := json.Marshal(watch)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "watch.json"), text, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("write watch: %w", err)
	}
	if n.socket, err = notify.NewSocket(watch.Socket); err != nil {
		return nil, err
	}
	go n.accept()
	return n, nil
}

// removeWatches removes the directories of recorders that were killed.
func removeWatches(stateDir string) {
	dirs, _ := filepath.Glob(filepath.Join(stateDir, "watch-*"))
	for _, dir := range dirs {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(dir), "watch-%d-", &pid); err == nil && processStart(pid) == 0 {
			_ = os.RemoveAll(dir)
		}
	}
}

// accept takes listeners until the socket is closed.
func (n *answeringRecorder) accept() {
	for begun := false; ; {
		l, state, err := n.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		n.mu.Lock()
		if err != nil {
			n.failed = errors.Join(n.failed, err)
			n.mu.Unlock()
			continue
		}
		n.serving[l] = true
		if !begun {
			begun = true
			n.libc = record.Libc(state.Pid, n.request.Command, n.request.Env, n.request.Cwd)
			close(n.first)
		}
		n.mu.Unlock()
		go n.serve(l)
	}
}

func (n *answeringRecorder) serve(l *notify.Listener) {
	err := l.Serve(n.Recorder)
	n.mu.Lock()
	n.failed = errors.Join(n.failed, err)
	delete(n.serving, l)
	n.ended.Broadcast()
	n.mu.Unlock()
}

// await waits for the end of the last process under a filter, or of a creator that has made none.
func (n *answeringRecorder) await(creator *os.File) {
	gone := make(chan struct{})
	go func() {
		awaitEnd(creator)
		close(gone)
	}()
	select {
	case <-n.first:
	case <-gone:
		select { // what it sent last may still be on its way from the socket
		case <-n.first:
		case <-time.After(time.Second):
			return
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.serving) > 0 {
		n.ended.Wait()
	}
}

// Read adds what is known of the container since it is there. What a listener failed with is told.
func (n *answeringRecorder) Read(rec *recording.Recording, now time.Time) (bool, error) {
	changed, err := n.Recorder.Read(rec, now)
	n.mu.Lock()
	defer n.mu.Unlock()
	rec.Libc = n.libc
	return changed, errors.Join(err, n.failed)
}

// Close ends the answering. Processes that are still there get ENOSYS for what would be notified.
func (n *answeringRecorder) Close() error {
	err := n.socket.Close()
	n.mu.Lock()
	for l := range n.serving {
		err = errors.Join(err, l.Stop())
	}
	for len(n.serving) > 0 {
		n.ended.Wait()
	}
	n.mu.Unlock()
	return errors.Join(err, os.RemoveAll(n.dir))
}
