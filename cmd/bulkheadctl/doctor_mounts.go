package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/userns"
)

const (
	nameUserNamespaces = "user namespaces"
	nameOverlay        = "overlay on idmapped layers"
)

// mountChecks tries a user namespace and what is built on it, on a thread with a mount namespace of its own. The thread
// ends with the probes, and its mounts with it.
func mountChecks() []check { return onOwnThread(probeMounts) }

func onOwnThread(probe func() []check) []check {
	done := make(chan []check)
	go func() {
		runtime.LockOSThread() // never unlocked: Go then ends the thread with the goroutine
		done <- probe()
	}()
	return <-done
}

func probeMounts() []check {
	r, ns, first := userNamespaceCheck()
	if ns == nil {
		return []check{first}
	}
	defer ns.Close()
	checks := []check{first}
	for _, path := range []string{"/", "/var/lib/docker", "/var/lib/containerd", "/var/lib/containers"} {
		if _, err := os.Stat(path); err == nil {
			checks = append(checks, idmapCheck(path, ns))
		}
	}
	if err := privateMounts(); err != nil {
		return append(checks, check{Name: "mounts", State: stateMissing, Found: err.Error(), Needed: true,
			Means: "no root filesystem can be prepared", Do: "run doctor and containers as root with CAP_SYS_ADMIN"})
	}
	place, err := os.MkdirTemp("", "bulkhead-doctor-")
	if err != nil {
		return append(checks, check{Name: "mounts", State: stateMissing, Found: err.Error(), Needed: true})
	}
	defer func() { _ = os.Remove(place) }()
	if err := unix.Mount("bulkhead", place, "tmpfs", 0, "mode=0711,size=1m"); err != nil {
		return append(checks, check{Name: "mounts", State: stateMissing, Found: err.Error(), Needed: true})
	}
	defer func() { _ = unix.Unmount(place, unix.MNT_DETACH) }()
	return append(checks, tmpfsCheck(place, ns), overlayCheck(place, r, ns))
}

func userNamespaceCheck() (userns.Range, *os.File, check) {
	c := check{Name: nameUserNamespaces, State: stateOK, Found: "works", Needed: true}
	if limit, err := os.ReadFile("/proc/sys/user/max_user_namespaces"); err == nil {
		c.Found += ", at most " + strings.TrimSpace(string(limit)) + " (user.max_user_namespaces)"
	}
	r := userns.Range{Start: userns.DefaultPool.Start, Size: 65536}
	ns, err := userns.NewNamespace(r)
	if err != nil {
		c.State, c.Found = stateMissing, err.Error()
		c.Means = "no container can start: each has a user namespace of its own"
		c.Do = "raise user.max_user_namespaces (sysctl -w user.max_user_namespaces=65536), and use a kernel with CONFIG_USER_NS"
		return r, nil, c
	}
	return r, ns, c
}

// idmapCheck probes the file system of a directory that roots and volumes come from.
func idmapCheck(path string, ns *os.File) check {
	c := check{Name: "idmapped mounts of " + path, State: stateOK}
	f, err := os.Open(path)
	if err != nil {
		c.State, c.Found = stateLimited, err.Error()
		return c
	}
	defer f.Close()
	err = userns.IDMapSupported(f, ns)
	var not *userns.NotIDMappable
	switch {
	case err == nil:
		c.Found = "works"
	case errors.As(err, &not) && not.FSType == "overlay":
		c.State, c.Found = stateLimited, "an overlay, which takes none itself; its layers are tried below"
		c.Means = "volumes from here are refused unless they are read-only"
		c.Do = "keep volumes and the engine's data on ext4, xfs, btrfs or a tmpfs"
	default:
		c.State, c.Found = stateLimited, err.Error()
		c.Means = "root filesystems and writable volumes from here are refused"
		c.Do = "keep them on ext4, xfs, btrfs or a tmpfs, with Linux 5.12 or newer (btrfs 5.15, tmpfs 6.3)"
	}
	return c
}

func privateMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	return nil
}

func tmpfsCheck(place string, ns *os.File) check {
	c := check{Name: "idmapped mounts of tmpfs", State: stateOK, Found: "works"}
	f, err := os.Open(place)
	if err == nil {
		err = userns.IDMapSupported(f, ns)
		_ = f.Close()
	}
	if err != nil {
		c.State, c.Found = stateLimited, err.Error()
		c.Means = "a tmpfs that an engine shares with a container works when it is read-only or open to everybody, else it is refused"
		c.Do = "use Linux 6.3 or newer"
	}
	return c
}

// overlayCheck makes an overlay as an engine does, and shows it through the range by the code that containers use.
func overlayCheck(place string, r userns.Range, ns *os.File) check {
	c := check{Name: nameOverlay, State: stateOK, Needed: true}
	how, err := shiftOverlay(place, r, ns)
	if err == nil {
		c.Found = "works (" + how + ", on a tmpfs)"
		return c
	}
	c.State, c.Found = stateMissing, err.Error()
	c.Means = "containers of Docker's overlay2 and containerd's overlayfs cannot start"
	c.Do = "use Linux 5.19 or newer with the overlay module (modprobe overlay)"
	var not *userns.NotIDMappable
	if errors.As(err, &not) && not.FSType == "tmpfs" {
		c.State, c.Needed, c.Found = stateLimited, false, "not tried: tmpfs takes no idmapped mount here"
		c.Means, c.Do = "", "run a container: bulkheadctl try, then docker run --runtime=bulkhead"
	}
	return c
}

// mountOverlay mounts an overlay of two layers as engines do, and gives where.
func mountOverlay(place string) (string, error) {
	dir := func(name string) string { return filepath.Join(place, name) }
	for _, name := range []string{"lower1", "lower2", "home", "home/upper", "home/work", "merged"} {
		if err := os.Mkdir(dir(name), 0o755); err != nil { //nolint:gosec // layers of an image
			return "", err
		}
	}
	data := fmt.Sprintf("lowerdir=%s:%s,upperdir=%s,workdir=%s", dir("lower1"), dir("lower2"), dir("home/upper"), dir("home/work"))
	if err := unix.Mount("overlay", dir("merged"), "overlay", 0, data); err != nil {
		return "", fmt.Errorf("mount an overlay: %w", err)
	}
	return dir("merged"), nil
}

func shiftOverlay(place string, r userns.Range, ns *os.File) (string, error) {
	merged, err := mountOverlay(place)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Unmount(merged, unix.MNT_DETACH) }()
	root, err := os.Open(merged)
	if err != nil {
		return "", err
	}
	defer root.Close()
	shifted, err := userns.ShiftRoot(root, r, ns, nil, nil)
	if err != nil {
		return "", err
	}
	return shifted.How, shifted.Close()
}
