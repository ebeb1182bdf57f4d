package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// programDirs have programs and libraries. Where they are links into /usr, the sandbox has the same links.
var programDirs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"}

// systemFiles are what programs need of /etc. Not all of /etc: container root sees the host's root as its own through the
// mapping and could read /etc/shadow, keys of the SSH server and passwords of services.
var systemFiles = []string{
	"alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version", "default/locale",
	"fonts", "group", "host.conf", "hosts", "inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "locale.conf",
	"localtime", "magic", "mime.types", "networks", "nsswitch.conf", "os-release", "passwd", "pki/ca-trust/extracted", "pki/tls/certs",
	"profile", "profile.d", "protocols", "rpc", "services", "shells", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone", "vim",
}

// scratchDirs get an empty tmpfs each.
var scratchDirs = []string{"/tmp", "/var/tmp", "/run", "/root", "/home"}

// A hostRoot is a root filesystem of directories and links only, and the mounts that show the host's files in it.
type hostRoot struct {
	from, to string
	mounts   []specs.Mount
}

func (r *hostRoot) make() error {
	for _, dir := range []string{"dev", "proc", "sys", "etc", "var/lib", "var/log", "var/cache", "mnt", "opt", "srv"} {
		if err := r.mkdir(dir); err != nil {
			return err
		}
	}
	for _, dir := range scratchDirs {
		if err := r.mkdir(dir); err != nil {
			return err
		}
	}
	for _, path := range programDirs {
		if err := r.show(path); err != nil {
			return err
		}
	}
	for _, name := range systemFiles {
		if err := r.show(filepath.Join("/etc", name)); err != nil {
			return err
		}
	}
	return r.link("../proc/self/mounts", "/etc/mtab")
}

// show puts a host path into the sandbox: a link as the same link, anything else that everybody may read as a read-only
// bind mount. What the host does not have is left out.
func (r *hostRoot) show(path string) error {
	st, err := os.Lstat(filepath.Join(r.from, path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	switch mode := st.Mode(); {
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(filepath.Join(r.from, path))
		if err != nil {
			return fmt.Errorf("look at %s: %w", path, err)
		}
		return r.link(target, path)
	case mode.Perm()&0o004 == 0, !mode.IsDir() && !mode.IsRegular():
		return nil
	case mode.IsDir():
		if err := r.mkdir(path); err != nil {
			return err
		}
	default:
		if err := r.touch(path); err != nil {
			return err
		}
	}
	r.mounts = append(r.mounts, specs.Mount{
		Destination: path, Type: "bind", Source: filepath.Join(r.from, path), Options: []string{"rbind", "ro", "nosuid", "nodev"},
	})
	return nil
}

func (r *hostRoot) mkdir(path string) error {
	if err := os.MkdirAll(filepath.Join(r.to, path), 0o755); err != nil { //nolint:gosec // the root of a container
		return fmt.Errorf("make root of the sandbox: %w", err)
	}
	return nil
}

func (r *hostRoot) link(target, path string) error {
	if err := r.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Symlink(target, filepath.Join(r.to, path)); err != nil {
		return fmt.Errorf("make root of the sandbox: %w", err)
	}
	return nil
}

func (r *hostRoot) touch(path string) error {
	if err := r.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(r.to, path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // the root of a container
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fmt.Errorf("make root of the sandbox: %w", err)
	}
	return nil
}
