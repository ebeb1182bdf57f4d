package rootview

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Program is the name of the program that answers. It lies beside the runtime.
const Program = "bulkhead-view"

// A View is a view that is being made: mounted, with its process waiting for [View.Open].
type View struct {
	PID  int
	gate *os.File
}

// A Request says what is to be shown where.
type Request struct {
	ID   string   // the container's; it stands in the process's command line
	Path string   // where the engine's mount of the root is, in Namespace
	At   Place    // what that mount is, to be sure of it
	Own  *os.File // the container's mount, not attached anywhere; the process keeps it
	// Namespace is the engine's mount namespace; nil is the caller's.
	Namespace *os.File
	Start     uint32 // first host ID of the container's range
	Size      uint32 // IDs in it
}

// Make covers the engine's mount and starts the process that will answer. Until [View.Open] it answers nothing, and it ends
// when the caller dies before that. The mount stays then; [Uncover] removes it.
//
// On an error nothing is mounted.
func Make(r Request) (*View, error) {
	program, err := findProgram()
	if err != nil {
		return nil, err
	}
	defer func() { _ = program.Close() }()
	var v *View
	err = InNamespace(r.Namespace, func() (err error) {
		dev, err := cover(r.Path, r.At)
		if err != nil {
			return err
		}
		defer func() { _ = dev.Close() }()
		if v, err = start(program, dev, r); err != nil {
			return errors.Join(err, Uncover(r.Path))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make a view of the root: %w", err)
	}
	return v, nil
}

// Open lets the process answer. Before it, the caller writes down what would have to be undone.
func (v *View) Open() error {
	_, err := v.gate.Write([]byte{1})
	return errors.Join(err, v.gate.Close())
}

// Close ends a view's process that was never opened. The mount stays.
func (v *View) Close() { _ = v.gate.Close() }

// start runs the program in a user namespace of the container's range, as its first user. The first thing it does is to leave
// the host's files.
func start(program, dev *os.File, r Request) (*View, error) {
	gate, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = gate.Close() }()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		_ = hold.Close()
		return nil, err
	}
	defer func() { _ = null.Close() }()
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(r.Start), Size: int(r.Size)}}
	// The program is named by its descriptor, the last one: the range's user need not be able to reach its path.
	p, err := os.StartProcess("/proc/self/fd/6", []string{Program, "give-up", r.ID}, &os.ProcAttr{
		Dir:   "/",
		Env:   []string{},
		Files: []*os.File{null, null, null, dev, r.Own, gate, program},
		Sys: &syscall.SysProcAttr{
			Setsid:      true, // whoever ends the engine's process group does not end it
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
			UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
			Credential: &syscall.Credential{Uid: 0, Gid: 0, Groups: []uint32{}},
		},
	})
	if err != nil {
		_ = hold.Close()
		return nil, fmt.Errorf("start %s: %w", Program, err)
	}
	v := &View{PID: p.Pid, gate: hold}
	_ = p.Release()
	return v, nil
}

// findProgram opens the program beside this one. It must be root's alone to write, as this one is.
func findProgram() (*os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", Program, err)
	}
	path := filepath.Join(filepath.Dir(self), Program)
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("find %s: it is not beside %q", Program, self)
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: open %q: %w", Program, path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("find %s: stat %q: %w", Program, path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != 0 || st.Mode&0o022 != 0 {
		_ = f.Close()
		return nil, fmt.Errorf("find %s: %q is not a program that root alone can write", Program, path)
	}
	return f, nil
}

// Available probes whether a view can be made here: the program and the kernel's part of it.
func Available() error {
	f, err := findProgram()
	if err != nil {
		return err
	}
	_ = f.Close()
	return Supported()
}
