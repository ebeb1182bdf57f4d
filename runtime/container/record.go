package container

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/internal/plainjson"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

const (
	recordFile = "record.json"
	lockFile   = "lock"
	// recordVersion is raised when a field changes its meaning. A newer program reads older records; an older program
	// refuses newer ones, because it would not know what they bind it to.
	recordVersion = 1
	// maxRecord bounds what is read back: a hardened spec is some 100 KB.
	maxRecord = 32 << 20
	// usualHolding and usualDecision are the sizes of most records' two lines.
	usualHolding, usualDecision = 4 << 10, 48 << 10
)

// A Record is what bulkhead remembers of a container. On disk each half is a line of its own: what does not judge reads
// the first line only, which is a hundredth of the whole.
type Record struct {
	Holding
	Decision
}

// A Holding is what a container holds of the host: what has to be undone, and by which names.
type Holding struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	Bundle  string `json:"bundle"`
	// Creating is true until create is through. Such a record only says what has to be undone.
	Creating bool `json:"creating,omitempty"`
	// CreatorPID and CreatorStart name the create process.
	CreatorPID   int    `json:"creatorPid,omitempty"`
	CreatorStart uint64 `json:"creatorStart,omitempty"`
	// Profile is the name of the hardening profile.
	Profile string `json:"profile,omitempty"`
	// Range that is leased; Leased tells that this container holds the lease (or its share of it).
	Range  userns.Range `json:"range"`
	Leased bool         `json:"leased,omitempty"`
	// UserNamespace is the inode of the container's user namespace, as read from the kernel.
	UserNamespace uint64 `json:"userNamespace,omitempty"`
	// InitPID and InitStart name the container's first process.
	InitPID   int    `json:"initPid,omitempty"`
	InitStart uint64 `json:"initStart,omitempty"`
	// AppArmor is the profile that the first process has to run its program with: empty where none was asked for or
	// AppArmor was not active.
	AppArmor string `json:"appArmor,omitempty"`
	// SELinux is the label that it has to have, in the same way.
	SELinux string `json:"seLinux,omitempty"`
	// WorkDir is the overlay work directory of our own beside the engine's upper directory, removed at delete.
	WorkDir string `json:"workDir,omitempty"`
	// MoreWorkDirs are those of further overlays: mounts of the container.
	MoreWorkDirs []string `json:"moreWorkDirs,omitempty"`
	// View is the view of the root that lies over the engine's mount; nil where there is none. ViewError is why one that was
	// wanted is not there.
	View      *RootView `json:"view,omitempty"`
	ViewError string    `json:"viewError,omitempty"`
	// RootHow says how the root is shown through the range.
	RootHow string `json:"rootHow,omitempty"`
	// Cgroup names the container's cgroup once it is ours, so that a half-made container can be removed.
	Cgroup *cgroups.Cgroup `json:"cgroup,omitempty"`
	// Delegation is what the engine of an unprivileged user could not give of the limits.
	Delegation Delegation `json:"delegation,omitzero"`
	// Recorder writes a recording of the container, if that was asked for.
	Recorder *Recorder `json:"recorder,omitempty"`
	// Created is when create was through.
	Created time.Time `json:"created,omitzero"`
}

// workDirs are all work directories of our own that the container has.
func (h *Holding) workDirs() []string {
	if h.WorkDir == "" {
		return h.MoreWorkDirs
	}
	return append([]string{h.WorkDir}, h.MoreWorkDirs...)
}

// A Decision is what the rules made of the request. It is there once create is through.
type Decision struct {
	// Changes is what the rules did to the request, in order, an update in place of what was there about its properties; an exec adds none.
	Changes []harden.Change `json:"changes,omitempty"`
	// Policy that create judged with: exec and update judge with the same.
	Policy harden.Policy `json:"policy"`
	// Spec is the hardened spec, with the caller's paths.
	Spec *specs.Spec `json:"spec,omitempty"`
}

// writeRecord replaces the record atomically: a reader sees the old one or the new one.
func writeRecord(dir string, rec *Record) error {
	var decision []byte
	if rec.Spec != nil {
		var err error
		if decision, err = plainjson.Marshal(&rec.Decision, usualDecision); err != nil {
			return fmt.Errorf("write record of %q: %w", rec.ID, err)
		}
	}
	return writeRecordLines(dir, &rec.Holding, decision)
}

// writeRecordLines is writeRecord with the second line encoded before; empty when nothing is decided yet.
func writeRecordLines(dir string, h *Holding, decision []byte) error {
	err := writeAtomic(filepath.Join(dir, recordFile), func(f *os.File) error {
		first, err := plainjson.Marshal(h, usualHolding)
		if err != nil {
			return err
		}
		if _, err := f.Write(append(first, '\n')); err != nil {
			return err
		}
		if _, err := f.Write(decision); err != nil {
			return err
		}
		size, err := f.Seek(0, io.SeekCurrent)
		if err == nil && size > maxRecord {
			// One that cannot be read back would be a container that nobody can stop or delete.
			err = fmt.Errorf("it has %d bytes, want at most %d: the request is too large", size, maxRecord)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("write record of %q: %w", h.ID, err)
	}
	return nil
}

// writeAtomic has write fill a file beside the target and renames it. The state directory is a tmpfs and the state is worthless after a
// power cut, so nothing is synced.
func writeAtomic(path string, write func(*os.File) error) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

// readRecord reads the whole record of a container. Errors are those of readHolding.
func (r *Runtime) readRecord(id string) (*Record, error) {
	h, second, err := r.readLines(id)
	if err != nil {
		return nil, err
	}
	rec := &Record{Holding: *h}
	if len(second) == 0 {
		return rec, nil
	}
	if err := plainjson.Unmarshal(second, &rec.Decision); err != nil {
		return nil, fmt.Errorf("load container %q: %s is damaged: %w; %s", id, recordFile, err, whatToDo)
	}
	return rec, nil
}

// readHolding reads the first half of a container's record. [ErrNotExist] means that there is no such container; a
// directory that another runtime made, or that a crash left empty, has its own error.
func (r *Runtime) readHolding(id string) (*Holding, error) {
	h, _, err := r.readLines(id)
	return h, err
}

func (r *Runtime) readLines(id string) (h *Holding, second []byte, err error) {
	dir, err := r.dir(id)
	if err != nil {
		return nil, nil, err
	}
	b, err := readBounded(filepath.Join(dir, recordFile), maxRecord)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, missingRecord(dir, id)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("load container %q: %w", id, err)
	}
	first, second, _ := bytes.Cut(b, []byte("\n"))
	h = &Holding{}
	if err := plainjson.Unmarshal(first, h); err != nil {
		return nil, nil, fmt.Errorf("load container %q: %s in %q is damaged: %w; %s", id, recordFile, dir, err, whatToDo)
	}
	if h.Version < 1 || h.Version > recordVersion {
		return nil, nil, fmt.Errorf("load container %q: its record has version %d, this program knows up to %d: use the newer program", id, h.Version, recordVersion)
	}
	if h.ID != id {
		return nil, nil, fmt.Errorf("load container %q: its record belongs to %q", id, h.ID)
	}
	return h, second, nil
}

// whatToDo about a record that cannot be read: to guess what a container has is not safe.
const whatToDo = "what it has on this host is not known: end its processes and remove that directory"

// errHalfMade is a directory that a killed create left before it wrote its record. Delete removes it.
var errHalfMade = errors.New("its create was cut short; delete --force removes it")

// errForeign is a directory of another runtime: engines share one root between runtimes.
var errForeign = errors.New("it belongs to another runtime")

func missingRecord(dir, id string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("load container %q: %w", id, err)
	}
	for _, e := range entries {
		if e.Name() != lockFile && e.Name() != recordFile+".new" {
			return fmt.Errorf("load container %q: %w: %q has no %s", id, errForeign, dir, recordFile)
		}
	}
	return fmt.Errorf("load container %q: %w", id, errHalfMade)
}

// readBounded reads a regular file that is not larger than limit.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > limit {
		return nil, fmt.Errorf("read %q: not a regular file of at most %d bytes", path, limit)
	}
	b := make([]byte, st.Size())
	n, err := readFull(f, b)
	return b[:n], err
}

func readFull(f *os.File, b []byte) (int, error) {
	n := 0
	for n < len(b) {
		m, err := f.Read(b[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
