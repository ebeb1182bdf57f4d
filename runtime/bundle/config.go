package bundle

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxFile bounds a config.json, in bytes. Docker's are about 10 KiB; the environment and the arguments of a process
// can hold a few MiB (execve(2), limits on size of arguments and environment).
const maxFile = 16 << 20

// Load reads config.json of the bundle in dir, once, and checks its structure: what it returns has a root and a
// process with arguments, absolute paths, valid ID mappings and known namespaces, no NUL byte in any string, and
// bounded counts. Whether any of it may be had is for package harden.
//
// The notes are the paths of properties that are not applied: unknown ones ("linux.newThing"), and "ociVersion" when
// it is newer than the runtime-spec that this program knows. The runtime-spec forbids an error for both
// (config.md, Extensibility). A property that is given twice, or that differs from a known one only in case, is an
// error: encoding/json reads "Process" as process, other readers do not, and whoever checks a bundle must see what
// runs.
//
// A symbolic link in the place of config.json is followed, as runc does: the bundle belongs to the caller.
func Load(dir string) (*specs.Spec, []string, error) {
	spec, notes, err := load(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, nil, fmt.Errorf("load bundle %q: config.json: %w", dir, err)
	}
	return spec, notes, nil
}

func load(path string) (*specs.Spec, []string, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, nil, err
	}
	return parse(data)
}

func parse(data []byte) (*specs.Spec, []string, error) {
	spec := new(specs.Spec)
	notes, err := decode(data, spec)
	if err != nil {
		return nil, nil, err
	}
	if err := checkSpec(spec); err != nil {
		return nil, nil, err
	}
	if newer(spec.Version) {
		notes = append(notes, "ociVersion")
	}
	return spec, notes, nil
}

// LoadProcess reads the process of an exec (`exec --process FILE`) with the same checks as [Load]. Notes are relative
// to the process: "user.newThing". Arguments must be there: an exec has no default to fall back on.
func LoadProcess(r io.Reader) (*specs.Process, []string, error) {
	p := new(specs.Process)
	notes, err := loadFrom(r, p)
	if err == nil {
		err = checkProcess("", p)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("load process: %w", err)
	}
	return p, notes, nil
}

// LoadResources reads the resources of an update (`update --resources FILE`) with the same checks as [Load]. Notes
// are relative to the resources: "memory.newThing".
func LoadResources(r io.Reader) (*specs.LinuxResources, []string, error) {
	res := new(specs.LinuxResources)
	notes, err := loadFrom(r, res)
	if err == nil {
		err = checkResources("", res)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("load resources: %w", err)
	}
	return res, notes, nil
}

func loadFrom(r io.Reader, v any) ([]string, error) {
	data, err := readUpTo(r, 512, maxFile)
	if err != nil {
		return nil, err
	}
	return decode(data, v)
}

// readFile reads a regular file. O_NONBLOCK keeps the open of a fifo from waiting for a writer.
func readFile(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, plain(err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, plain(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("is a %s, want a regular file", kindWord(st.Mode))
	}
	if st.Size > maxFile {
		return nil, tooLarge(maxFile)
	}
	return readUpTo(f, int(st.Size)+1, maxFile)
}

// readUpTo reads everything, and fails when that is more than most bytes; hint is the size of the first buffer.
func readUpTo(r io.Reader, hint, most int) ([]byte, error) {
	buf := make([]byte, 0, hint)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > most {
			return nil, tooLarge(most)
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, plain(err)
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

func tooLarge(most int) error { return fmt.Errorf("is larger than %d bytes", most) }
