package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// overflowID is who the host's root is in a user namespace that has no ID for it (user_namespaces(7)).
const overflowID = 65534

// examineRootless runs the probes in an unprivileged user's namespaces: what the containers of that user's engine get.
func examineRootless(own []bundle.IDMap) []check {
	checks := []check{rootlessCheck(), idsCheck(own), nestedCheck(own)}
	checks = append(checks, rootlessMounts(own)...)
	checks = append(checks, delegationCheck(), busCheck(), devicesCheck())
	return append(checks, examineUsersRest(func(owner uint32) bool { return owner == 0 || owner == overflowID })...)
}

// examineUsersRest runs the probes that need no namespaces. trusted are the owners of the program.
func examineUsersRest(trusted func(owner uint32) bool) []check {
	checks := []check{seccompCheck(), filterDumpCheck(), lsmCheck(), usersResourceCheck(), recorderCheck()}
	cfg, err := profiles.LoadConfig(profiles.ConfigPath)
	checks = append(checks, configCheck(err))
	if err == nil {
		checks = append(checks, profilesCheck(listProfiles(cfg)), usersStateCheck(cfg))
	}
	checks = append(checks, binaryCheck(func(path string) string { return writableBeside(path, trusted) }), usersDockerCheck())
	return append(checks, engineChecks()...)
}

func rootlessCheck() check {
	return check{Name: "root", State: stateLimited, Found: "root of a user namespace, as in rootless podman and Docker",
		Means: "containers of one user share that user's IDs: root in each is the user outside, no range is leased, and IDs do not keep " +
			"these containers apart; capabilities, no_new_privs, filters, mounts and refusals are as under root's engine",
		Do: "run the engine as root for ranges of their own"}
}

// idsCheck counts the IDs: images have users up to 65535.
func idsCheck(own []bundle.IDMap) check {
	total := uint64(0)
	for _, m := range own {
		total += uint64(m.Size)
	}
	c := check{Name: "IDs of this user", State: stateOK, Found: fmt.Sprintf("%d", total)}
	if total < 65536 {
		c.State = stateLimited
		c.Means = "users of an image whose ID is not below that do not exist in its containers, and the engine cannot unpack their files"
		c.Do = subordinateAdvice("USER")
	}
	return c
}

func subordinateAdvice(user string) string {
	return "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + user + " (a range of which no other line in /etc/subuid or " +
		"/etc/subgid has a part), then have the engine see it (podman system migrate; restart dockerd)"
}

// nestedCheck makes the user namespace that a container gets.
func nestedCheck(own []bundle.IDMap) check {
	c := check{Name: nameUserNamespaces, State: stateOK, Found: "one in this one works", Needed: true}
	ns, err := nested(own)
	switch {
	case errors.Is(err, errOneID):
		c.Found = "not tried: " + err.Error()
	case err != nil:
		c.State, c.Found = stateMissing, err.Error()
		c.Means = "no container can start: each has a user namespace of its own, in that of the engine"
		c.Do = "as root: sysctl -w user.max_user_namespaces=65536; where AppArmor restricts users' namespaces, give the engine a profile with userns"
	default:
		_ = ns.Close()
	}
	return c
}

// errOneID: ID 0 alone cannot be mapped on, the way the probe does that.
var errOneID = errors.New("this user has one ID")

// nested is a user namespace below this one with an ID of its own.
func nested(own []bundle.IDMap) (*os.File, error) {
	last := own[len(own)-1]
	if last.ContainerID+last.Size <= 1 {
		return nil, errOneID
	}
	return userns.NewNamespace(userns.Range{Start: max(last.ContainerID, 1), Size: 1})
}

// rootlessMounts tries what a container's root and volumes need, on a thread whose mounts end with it.
func rootlessMounts(own []bundle.IDMap) []check {
	return onOwnThread(func() []check {
		mounts := check{Name: "mounts", State: stateOK, Found: "works", Needed: true}
		lack := func(err error) []check {
			mounts.State, mounts.Found = stateMissing, err.Error()
			mounts.Means = "no root filesystem can be prepared"
			mounts.Do = "where AppArmor restricts users' namespaces (kernel.apparmor_restrict_unprivileged_userns), give the engine a profile with userns"
			return []check{mounts}
		}
		if err := privateMounts(); err != nil {
			return lack(err)
		}
		place, err := os.MkdirTemp("", "bulkhead-doctor-")
		if err != nil {
			return lack(err)
		}
		defer func() { _ = os.Remove(place) }()
		if err := unix.Mount("bulkhead", place, "tmpfs", 0, "mode=0711,size=1m"); err != nil {
			return lack(fmt.Errorf("mount a tmpfs: %w", err))
		}
		defer func() { _ = unix.Unmount(place, unix.MNT_DETACH) }()
		return []check{mounts, usersOverlayCheck(place), usersVolumesCheck(own)}
	})
}

func usersOverlayCheck(place string) check {
	c := check{Name: "overlay", State: stateOK, Found: "works in a user namespace"}
	if _, err := mountOverlay(place); err != nil {
		c.State, c.Found = stateLimited, err.Error()
		c.Means = "the engine has to mount its images by fuse-overlayfs, or to copy them"
		c.Do = "use Linux 5.11 or newer with the overlay module, or install fuse-overlayfs"
	}
	return c
}

// usersVolumesCheck asks for an idmapped mount of the user's home, which only the owner of the file system's user namespace gets
// (mount_setattr(2)).
func usersVolumesCheck(own []bundle.IDMap) check {
	c := check{Name: "idmapped mounts", State: stateLimited}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/"
	}
	c.Means = "roots and volumes are mounted as they are: what belongs to this user's IDs has an owner in the container, everything else shows as 65534"
	c.Do = "chown a volume's files within the user's IDs (podman unshare chown)"
	f, err := os.Open(home)
	if err != nil {
		c.Found = err.Error()
		return c
	}
	defer f.Close()
	ns, err := nested(own)
	if err != nil {
		c.Found = "not tried: " + err.Error()
		return c
	}
	defer ns.Close()
	c.Found = "of " + home + ": not used without root, where the kernel gives none"
	if err := userns.IDMapSupported(f, ns); err != nil {
		c.Found = err.Error()
	}
	return c
}

// delegationCheck asks which limits hold.
func delegationCheck() check {
	dir, d, err := container.UserCgroup(hostUser())
	return judgeDelegation(dir, d, err)
}

func judgeDelegation(dir string, d container.Delegation, err error) check {
	c := check{Name: "cgroups", State: stateOK}
	const advice = "as root, on cgroup version 2: put [Service] and Delegate=cpu cpuset io memory pids into /etc/systemd/system/user@.service.d/delegate.conf, " +
		"systemctl daemon-reload, loginctl enable-linger USER, and log in again"
	switch {
	case err != nil || d.None != "":
		c.State, c.Found = stateLimited, d.None
		if err != nil {
			c.Found = err.Error()
		}
		c.Means = "no limit of a container holds: not of memory, processes nor CPU time; each container's record says so (bulkheadctl explain), and update and pause are refused"
		c.Do = advice
	case len(d.Missing) == 0:
		c.Found = "all controllers are delegated at " + dir
	default:
		missing := strings.Join(d.Missing, ", ")
		c.Found = fmt.Sprintf("delegated at %s, without %s", dir, missing)
		c.Means = "limits of " + missing + " do not hold: a container's record says so when one was asked (bulkheadctl explain), and an update of one is refused"
		if slices.ContainsFunc(neededControllers, func(need string) bool { return slices.Contains(d.Missing, need) }) {
			c.State, c.Do = stateLimited, advice
		}
	}
	return c
}

// devicesCheck loads a program of the kind by which cgroups refuse devices (bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE): the kernel takes it from the
// host's root only.
func devicesCheck() check {
	c := check{Name: "device rules", State: stateLimited,
		Means: "no device is refused by cgroup; a container opens those of its /dev, and can make no other (mknod(2))"}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.CGroupDevice, Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()}})
	if err != nil {
		var errno unix.Errno
		if errors.As(err, &errno) {
			err = errno // without advice about limits of memory, which are not the cause
		}
		c.Found = "not without root: load a BPF program: " + err.Error()
		return c
	}
	_ = program.Close()
	c.State, c.Found = stateOK, "the kernel takes them"
	return c
}

// usersResourceCheck is resourceCheck for who will not get the capability.
func usersResourceCheck() check {
	return check{Name: "CAP_SYS_RESOURCE", State: stateLimited, Found: "not effective on the host",
		Means: "a container gets no more open files or processes than this user may have, and no lower OOM score",
		Do:    "as root: raise the user's limits (LimitNOFILE= and LimitNPROC= of user@.service, or limits.conf(5))"}
}

// recorderCheck tries to load nothing: BPF belongs to the host's root (bpf(2), CAP_BPF in the initial user namespace).
func recorderCheck() check {
	return check{Name: "recording system calls", State: stateLimited, Found: "BPF needs the host's root",
		Means: "bulkheadctl seccomp record -- COMMAND records a command of this user, by notification and without a container; to record or watch a " +
			"container takes root"}
}

// usersStateCheck wants the user's runtime directory, in which the state lies.
func usersStateCheck(cfg profiles.Config) check {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); cfg.StateDir == profiles.DefaultConfig().StateDir && !filepath.IsAbs(dir) {
		return check{Name: "state directory", State: stateMissing, Found: "XDG_RUNTIME_DIR is not set", Needed: true,
			Means: "no container can start: its state lies in $XDG_RUNTIME_DIR/bulkhead",
			Do:    "log in through a session (ssh, login, machinectl shell; not su), or have root run loginctl enable-linger USER and set XDG_RUNTIME_DIR=/run/user/UID"}
	} else if cfg.StateDir == profiles.DefaultConfig().StateDir {
		cfg.StateDir = filepath.Join(dir, "bulkhead")
		if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
			return check{Name: "state directory", State: stateMissing, Found: dir + " cannot be written by this user", Needed: true,
				Means: "no container can start: its state lies in $XDG_RUNTIME_DIR/bulkhead", Do: "set XDG_RUNTIME_DIR to this user's own directory, /run/user/UID"}
		}
	}
	return stateCheck(cfg)
}

// usersDockerCheck reads the configuration of the user's dockerd.
func usersDockerCheck() check {
	dir, err := os.UserConfigDir()
	if err != nil {
		return check{Name: "Docker's configuration", State: stateLimited, Found: err.Error(), Means: "it was not looked at"}
	}
	path := filepath.Join(dir, "docker/daemon.json")
	c := dockerCheck(path)
	c.Do = strings.ReplaceAll(c.Do, "bulkheadctl install docker", "bulkheadctl install docker --config "+path)
	if _, err := exec.LookPath("podman"); err == nil && c.State != stateOK {
		c.Means += "; podman: podman --runtime PATH, or runtime= below [engine] in ~/.config/containers/containers.conf"
	}
	return c
}
