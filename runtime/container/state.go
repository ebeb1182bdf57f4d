package container

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A State is what the state and list commands print: runtime-spec's state with runc's additions.
type State struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	PID         int               `json:"pid"`
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
}

// State reads the container's state. A container whose create was killed is "stopped"; one whose create still runs is
// "creating".
func (r *Runtime) State(id string) (*State, error) {
	rec, err := r.readRecord(id)
	if err != nil {
		return nil, err
	}
	s := &State{Version: specs.Version, ID: id, Status: string(specs.StateStopped), Bundle: rec.Bundle, Owner: r.owner(id)}
	if rec.Creating {
		if alive(rec.CreatorPID, rec.CreatorStart) {
			s.Status = string(specs.StateCreating)
		}
		return s, nil
	}
	if rec.Spec == nil {
		return nil, fmt.Errorf("load container %q: %s has no decision", id, recordFile)
	}
	s.Version, s.Created = rec.Spec.Version, rec.Created
	s.Rootfs, s.Annotations = rec.Spec.Root.Path, rec.Spec.Annotations
	if rec.Recorder != nil {
		s.Annotations = maps.Clone(s.Annotations)
		if s.Annotations == nil {
			s.Annotations = map[string]string{}
		}
		s.Annotations[RecordingAnnotation] = rec.Recorder.File
	}
	_, c, err := r.open(id)
	if err != nil {
		return nil, err
	}
	status, err := c.Status()
	if err != nil {
		return nil, fmt.Errorf("read state of %q: %w", id, err)
	}
	s.Status = status.String()
	if status != libcontainer.Stopped {
		s.PID = rec.InitPID
	}
	return s, nil
}

// owner is the user that owns the container's directory, by name where there is one.
func (r *Runtime) owner(id string) string {
	info, err := os.Lstat(filepath.Join(r.Root, id))
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	uid := strconv.FormatUint(uint64(st.Uid), 10)
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "#" + uid
}

// List reads the state of all containers below the root, by ID. What cannot be read is in the second value; directories
// of other runtimes are passed over.
func (r *Runtime) List() ([]State, []error) {
	entries, err := os.ReadDir(r.Root)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) && r.Root == DefaultRoot {
			return nil, nil // no container was ever made
		}
		return nil, []error{fmt.Errorf("list containers: %w", err)}
	}
	var states []State
	var problems []error
	for _, e := range entries {
		if !e.IsDir() || checkID(e.Name()) != nil {
			continue
		}
		s, err := r.State(e.Name())
		switch {
		case err == nil:
			states = append(states, *s)
		case errors.Is(err, errForeign), errors.Is(err, ErrNotExist):
		default:
			problems = append(problems, err)
		}
	}
	sort.Slice(states, func(i, j int) bool { return states[i].ID < states[j].ID })
	return states, problems
}

// Explain returns what bulkhead remembers of a container.
func (r *Runtime) Explain(id string) (*Record, error) { return r.readRecord(id) }
