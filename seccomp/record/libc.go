package record

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxLoader bounds what is read of a program or a loader: those of glibc and musl have less than one MiB.
	maxLoader = 32 << 20
	// maxScripts is how many scripts may name one another as interpreters, as the kernel has it (execve(2)).
	maxScripts = 4
)

// Libc tells the C library of the program that args name in the container of a process: "glibc 2.36", "musl", or empty for a static program and
// for what cannot be told. Files are opened inside the container's root, whatever links are in it.
func Libc(pid int, args, env []string, cwd string) string {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(root)
	return libcOf(root, args, env, cwd)
}

func libcOf(root int, args, env []string, cwd string) string {
	if len(args) == 0 {
		return ""
	}
	for program, n := args[0], 0; n <= maxScripts; n++ {
		f, err := findProgram(root, program, env, cwd)
		if err != nil {
			return ""
		}
		script, loader := interpreters(f)
		_ = f.Close()
		if script == "" {
			return loaderName(root, loader)
		}
		program = script
	}
	return ""
}

// findProgram looks for a program as execvp(3) does.
func findProgram(root int, program string, env []string, cwd string) (*os.File, error) {
	if strings.Contains(program, "/") {
		if !path.IsAbs(program) {
			program = path.Join("/", cwd, program)
		}
		return openInside(root, program)
	}
	dirs := ""
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			dirs = value
		}
	}
	for dir := range strings.SplitSeq(dirs, ":") {
		if f, err := openInside(root, path.Join("/", dir, program)); err == nil {
			return f, nil
		}
	}
	return nil, os.ErrNotExist
}

// openInside opens a regular file as the container would find it.
func openInside(root int, name string) (*os.File, error) {
	fd, err := unix.Openat2(root, name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	st, err := f.Stat()
	if err == nil && (!st.Mode().IsRegular() || st.Size() > 1<<32) {
		err = errors.New("no program")
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// interpreters gives what a script names in its first line, or a program in its PT_INTERP (elf(5)).
func interpreters(f *os.File) (script, loader string) {
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head)
	if rest, ok := bytes.CutPrefix(head[:n], []byte("#!")); ok {
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		if words := strings.Fields(string(line)); len(words) > 0 {
			return words[0], ""
		}
		return "", ""
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return "", ""
	}
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz <= unix.PathMax {
			name, err := io.ReadAll(io.LimitReader(p.Open(), unix.PathMax))
			if err == nil {
				return "", strings.TrimRight(string(name), "\x00")
			}
		}
	}
	return "", ""
}

// loaderName names the C library that a loader belongs to. That of glibc says its version, that of musl does not in one place.
func loaderName(root int, loader string) string {
	switch {
	case loader == "":
		return ""
	case strings.HasPrefix(path.Base(loader), "ld-musl-"):
		return "musl"
	}
	for _, name := range []string{loader, path.Join(path.Dir(loader), "libc.so.6")} {
		f, err := openInside(root, name)
		if err != nil {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(f, maxLoader))
		_ = f.Close()
		if m := regexp.MustCompile(`(?:stable|development) release version (\d+\.\d+)`).FindSubmatch(text); err == nil && m != nil {
			return "glibc " + string(m[1])
		}
	}
	return ""
}
