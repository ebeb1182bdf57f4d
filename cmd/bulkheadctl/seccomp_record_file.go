package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

// recordingsDir is where recordings go that nobody names a file for. Command lines and paths of containers are in them.
const recordingsDir = "/var/lib/bulkhead/recordings"

// newRecordingFile makes an empty file for a recording, never over another one. A file that the operator names may not be there.
func newRecordingFile(q container.RecordRequest) (string, error) {
	if q.File != "" {
		path, err := filepath.Abs(q.File)
		if err == nil {
			err = makeEmpty(path)
		}
		if err != nil {
			return "", fmt.Errorf("make recording: %w", err)
		}
		return path, nil
	}
	if err := os.MkdirAll(recordingsDir, 0o700); err != nil {
		return "", fmt.Errorf("make directory of recordings: %w", err)
	}
	name := q.Name
	if name == "" {
		name = q.ID
	}
	base := fileName(name) + "-" + time.Now().UTC().Format("20060102T150405Z")
	for n := 1; ; n++ {
		path := filepath.Join(recordingsDir, base+".json")
		if n > 1 {
			path = filepath.Join(recordingsDir, fmt.Sprintf("%s-%d.json", base, n))
		}
		err := makeEmpty(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make recording: %w", err)
		}
	}
}

func makeEmpty(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// fileName makes a name of what an operator or an image calls something.
func fileName(name string) string {
	out := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c) {
			return c
		}
		return '_'
	}, name)
	out = strings.TrimLeft(out, ".")
	if out == "" {
		return "recording"
	}
	return out[:min(len(out), 128)]
}

// A recorderEntry tells others on the host that a recorder is at work: a file in the state directory.
type recorderEntry struct {
	PID       int    `json:"pid"`
	Start     uint64 `json:"start"`
	Name      string `json:"name"`
	Container string `json:"container"`
	File      string `json:"file"`

	path  string
	stale bool // the file lacks something that was seen
}

func recordersDir(stateDir string) string { return filepath.Join(stateDir, "recorders") }

// enterRecorder writes the entry.
func enterRecorder(stateDir string, e recorderEntry) (*recorderEntry, error) {
	dir := recordersDir(stateDir)
	if _, err := recorders(stateDir); err != nil { // takes away what killed ones left
		return nil, err
	}
	e.Start = processStart(e.PID)
	e.path = filepath.Join(dir, fmt.Sprintf("%d.json", e.PID))
	data, err := json.Marshal(e)
	for range 10 { // another recorder that leaves may take the empty directory away
		if err == nil {
			err = os.MkdirAll(dir, 0o700)
		}
		if err == nil {
			err = os.WriteFile(e.path, data, 0o600)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		err = nil
	}
	if err == nil {
		_, err = os.Stat(e.path)
	}
	if err != nil {
		return nil, fmt.Errorf("write entry of recorder: %w", err)
	}
	return &e, nil
}

// leave removes the entry, and the directory with the last one.
func (e *recorderEntry) leave() error {
	defer func() { _ = os.Remove(filepath.Dir(e.path)) }()
	if err := os.Remove(e.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove entry of recorder: %w", err)
	}
	return nil
}

// recorders are the entries of recorders that live. What dead ones left is removed.
func recorders(stateDir string) ([]recorderEntry, error) {
	paths, err := filepath.Glob(filepath.Join(recordersDir(stateDir), "*.json"))
	if err != nil {
		return nil, err
	}
	var out []recorderEntry
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var e recorderEntry
		if err != nil || json.Unmarshal(data, &e) != nil {
			return nil, fmt.Errorf("read entry of recorder %q: it is damaged or cannot be read", path)
		}
		if e.Start == 0 || processStart(e.PID) != e.Start {
			_ = os.Remove(path)
			continue
		}
		out = append(out, e)
	}
	return out, nil
}

// processStart is when a process began, in ticks since boot (proc_pid_stat(5)), 0 for none.
func processStart(pid int) uint64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	rest := string(data[strings.LastIndexByte(string(data), ')')+1:])
	f := strings.Fields(rest)
	var start uint64
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return 0
	}
	if _, err := fmt.Sscan(f[19], &start); err != nil {
		return 0
	}
	return start
}
