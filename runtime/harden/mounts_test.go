package harden

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// hostPaths are protected paths of a host with one disk (8:1), /run as a tmpfs (0:20) and proc at /proc.
func hostPaths() []bundle.ProtectedPath {
	return []bundle.ProtectedPath{
		{Path: "/", FSDev: "8:1", FSPath: "/", Class: "refused", Why: "the host's whole file system"},
		{Path: "/proc", FSDev: "0:4", FSPath: "/", Class: "refused", Why: "the host's processes and kernel settings"},
		{Path: "/dev", FSDev: "0:6", FSPath: "/", Class: "refused", Why: "the host's devices"},
		{Path: "/root", FSDev: "8:1", FSPath: "/root", Class: "refused", Why: "the administrator's home"},
		{Path: "/run/docker.sock", FSDev: "0:20", FSPath: "/docker.sock", Dev: 20, Inode: 7, Class: "refused", Why: "Docker's API"},
		{Path: "/run/containerd", FSDev: "0:20", FSPath: "/containerd", Class: "engine", Why: "containerd's state"},
		{Path: "/run/containerd/s", FSDev: "0:20", FSPath: "/containerd/s", Class: "refused", Why: "sockets of containerd's shims"},
		{Path: "/var/lib/docker", FSDev: "8:1", FSPath: "/var/lib/docker", Class: "engine", Why: "Docker's state"},
		{Path: "/var/lib/kubelet", FSDev: "8:1", FSPath: "/var/lib/kubelet", Class: "engine", Why: "kubelet's pods and keys"},
		{Path: "/var/lib/containers", FSDev: "8:1", FSPath: "/var/lib/containers", Class: "engine", Why: "podman's state"},
		{Path: "/etc", FSDev: "8:1", FSPath: "/etc", Class: "readonly", Why: "the host's configuration"},
		{Path: "/etc/shadow", FSDev: "8:1", FSPath: "/etc/shadow", Class: "refused", Why: "password hashes"},
		{Path: "/usr", FSDev: "8:1", FSPath: "/usr", Class: "readonly", Why: "programs that the host runs"},
		{Path: "/home", FSDev: "8:1", FSPath: "/home", Class: "self", Why: "the users' homes"},
		{Path: "/home/ann/.ssh", FSDev: "8:1", FSPath: "/home/ann/.ssh", Class: "readonly", Why: "keys that let somebody log in"},
		{Path: "/srv", FSDev: "8:1", FSPath: "/srv", Class: "self", Why: "the host's services"},
	}
}

// onDisk is a directory of the host's disk.
func onDisk(path string) bundle.Source {
	return bundle.Source{Bind: true, Path: path, Real: path, Kind: "dir", FSType: "ext4", FSDev: "8:1", FSPath: path}
}

// inRun is a file below /run.
func inRun(path, kind string) bundle.Source {
	return bundle.Source{Bind: true, Path: path, Real: path, Kind: kind, FSType: "tmpfs", FSDev: "0:20", FSPath: strings.TrimPrefix(path, "/run")}
}

// bindOf has the spec bind one source to /v.
func bindOf(src bundle.Source, options ...string) func(*specs.Spec, *Policy) {
	return bindTo("/v", src, options...)
}

func bindTo(dest string, src bundle.Source, options ...string) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, p *Policy) {
		s.Mounts = []specs.Mount{{Destination: dest, Type: "bind", Source: src.Path, Options: options}}
		p.Facts.Sources = []bundle.Source{src}
		p.Facts.Protected = hostPaths()
	}
}

// mountOf has the spec mount a file system that binds nothing.
func mountOf(dest, kind string, options ...string) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, p *Policy) {
		s.Mounts = []specs.Mount{{Destination: dest, Type: kind, Source: kind, Options: options}}
		p.Facts.Sources = []bundle.Source{{}}
	}
}

// finished are the options that the rule leaves alone.
var (
	finished = []string{"rbind", "rprivate", "nosuid", "nodev"}
	readOnly = []string{"rbind", "rprivate", "rro", "nosuid", "nodev"}
)

func TestMountsKeepsSources(t *testing.T) {
	own := onDisk("/var/lib/docker/containers/web1/mounts/secrets/key")
	pods := "/var/lib/kubelet/pods/0b7f-5a"
	inPod := func(path, annotation, cgroup string) func(*specs.Spec, *Policy) {
		return func(s *specs.Spec, p *Policy) {
			bindOf(onDisk(pods+path), finished...)(s, p)
			s.Annotations = map[string]string{annotation: "0b7f-5a"}
			s.Linux.CgroupsPath = cgroup
		}
	}
	zero := bundle.Source{Bind: true, Path: "/dev/zero", Real: "/dev/zero", Kind: "char", Rdev: "1:5", FSType: "devtmpfs", FSDev: "0:6", FSPath: "/zero"}
	runRule(t, mounts, []ruleCase{
		{name: "nothing"},
		{name: "a data directory", edit: bindOf(onDisk("/srv/shop"), finished...)},
		{name: "a user's directory", edit: bindOf(onDisk("/home/ann/site"), finished...)},
		{name: "/srv read-only", edit: bindOf(onDisk("/srv"), readOnly...)},
		{name: "localtime", edit: bindOf(onDisk("/etc/localtime"), readOnly...)},
		{name: "a user's home read-only", edit: bindOf(onDisk("/home/ann"), readOnly...)},
		{name: "a neighbour by name", edit: bindOf(onDisk("/etcetera"), finished...)},
		{name: "a volume", edit: bindOf(onDisk("/var/lib/docker/volumes/db/_data"), finished...)},
		{name: "below a volume", edit: bindOf(onDisk("/var/lib/docker/volumes/db/_data/x"), finished...)},
		{name: "hosts", edit: bindOf(onDisk("/var/lib/docker/containers/other/hosts"), finished...)},
		{name: "own secrets", edit: bindOf(own, finished...)},
		{name: "podman's own socket for readiness", edit: bindOf(onDisk("/var/lib/containers/storage/overlay-containers/web1/userdata/notify"), finished...)},
		{name: "a pod's volume", edit: inPod("/volumes/kubernetes.io~empty-dir/data", "io.kubernetes.cri.sandbox-uid", "")},
		{name: "a pod's hosts", edit: inPod("/etc-hosts", "io.kubernetes.pod.uid", "")},
		{name: "a pod's subpath", edit: inPod("/volume-subpaths/data/app/0", "x", "kubepods-burstable-pod0b7f_5a.slice:cri-containerd:d431")},
		{name: "a pod's log", edit: inPod("/containers/app/3f6f", "x", "/kubepods/burstable/pod0b7f-5a/d431")},
		{name: "a sandbox's shm", edit: bindOf(inRun("/run/containerd/io.containerd.grpc.v1.cri/sandboxes/d431/shm", "dir"), finished...)},
		{name: "a stage of a build", edit: inBuild("executor/q3f/rootfs", "snapshots/snapshots/17/fs/tools")},
		{name: "a context of a build", edit: inBuild("executor/q3f/rootfs", "cachemounts/buildkit28751")},
		{name: "a default device", edit: bindOf(zero, "bind", "nosuid")},
		{
			name:    "BuildKit's socket for traces",
			edit:    bindTo("/dev/otel-grpc.sock", inRun("/run/buildkit/otel-grpc.sock", "socket"), "ro", "rbind"),
			changes: []string{`mounts[0].source: "/run/buildkit/otel-grpc.sock" -> "tmpfs" (for "/dev/otel-grpc.sock": the builder listens at this socket as host root, and builds do without traces)`},
		},
		{name: "lxcfs", edit: bindTo("/proc/meminfo", onDisk("/srv/lxcfs/meminfo"), finished...)},
		{
			name:    "a socket",
			edit:    bindOf(ownedBy(inRun("/run/postgresql/.s.PGSQL.5432", "socket"), 70), finished...),
			changes: []string{`note mounts[0].source: "/run/postgresql/.s.PGSQL.5432" -> "/run/postgresql/.s.PGSQL.5432" (whoever listens on this socket answers the container)`},
		},
		{
			name: "opened by the profile",
			edit: func(s *specs.Spec, p *Policy) {
				bindOf(inRun("/run/docker.sock", "socket"), finished...)(s, p)
				p.Profile.Mounts.AllowedSources = []profiles.AllowedSource{{Path: "/run/docker.sock", Writable: true, Reason: "the CI agent"}}
			},
			changes: []string{`note mounts[0].source: "/run/docker.sock" -> "/run/docker.sock" (the profile opens "/run/docker.sock": the CI agent)`},
		},
	})
}

func TestMountsRefusesSources(t *testing.T) {
	alias := onDisk("/mnt/innocent")
	alias.FSPath = "/root/.ssh"
	const inVolume = "/var/lib/docker/volumes/v/_data" // docker volume create -o type=none -o o=bind -o device=...
	volumeOf := func(hostPath string) bundle.Source {
		v := onDisk(inVolume)
		v.FSPath = hostPath
		return v
	}
	hard := inRun("/run/other.sock", "socket")
	hard.Dev, hard.Inode = 20, 7
	below := onDisk("/srv/shop")
	below.Submounts = []bundle.Submount{{Path: "/p", FSType: "proc", FSDev: "0:4", FSPath: "/"}}
	aliasBelow := onDisk("/srv/shop")
	aliasBelow.Submounts = []bundle.Submount{{Path: "/e", FSType: "ext4", FSDev: "8:1", FSPath: "/etc"}}
	disk := bundle.Source{Bind: true, Path: "/dev/sda", Real: "/dev/sda", Kind: "block", Rdev: "8:0", FSType: "devtmpfs", FSDev: "0:6", FSPath: "/sda"}
	console := bundle.Source{Bind: true, Path: "/dev/console", Real: "/dev/console", Kind: "char", Rdev: "5:1", FSType: "devtmpfs", FSDev: "0:6", FSPath: "/console"}
	const system = ", want a path that is no part of the host's system (rule mounts)"
	const readonly = " and writable, want it read-only (:ro) (rule mounts)"
	ro := func(src bundle.Source) func(*specs.Spec, *Policy) { return bindOf(src, readOnly...) }
	rw := func(src bundle.Source) func(*specs.Spec, *Policy) { return bindOf(src, finished...) }
	recursive := slices.Concat(finished, []string{"rnosuid", "rnodev"})
	for _, c := range []struct {
		name    string
		edit    func(*specs.Spec, *Policy)
		refused string
	}{
		{"the root", ro(onDisk("/")), `mounts[0].source is "/" (the host's whole file system)` + system},
		{"root's home", ro(onDisk("/root")), `mounts[0].source is "/root" (the administrator's home)` + system},
		{"below root's home", ro(onDisk("/root/.ssh")), `mounts[0].source is "/root/.ssh" (the administrator's home)` + system},
		{"an alias of it", ro(alias), `mounts[0].source is "/mnt/innocent" (the administrator's home)` + system},
		{"a volume of it", ro(volumeOf("/root")), `mounts[0].source is "` + inVolume + `" (the administrator's home)` + system},
		{"a volume of what is below", ro(volumeOf("/root/.ssh")), `mounts[0].source is "` + inVolume + `" (the administrator's home)` + system},
		{"a volume of the host", ro(volumeOf("/")), `mounts[0].source is "` + inVolume + `" (the host's whole file system)` + system},
		{"a volume of programs", rw(volumeOf("/usr/bin")), `mounts[0].source is "` + inVolume + `" (programs that the host runs)` + readonly},
		{"a volume of the engine's state", ro(volumeOf("/var/lib/docker/containers")), `mounts[0].source is "` + inVolume + `" (Docker's state)` + system},
		{"Docker's socket", rw(inRun("/run/docker.sock", "socket")), `mounts[0].source is "/run/docker.sock" (Docker's API)` + system},
		{"a hard link of it", rw(hard), `mounts[0].source is "/run/other.sock" (Docker's API)` + system},
		{"its directory", ro(inRun("/run", "dir")), `mounts[0].source is "/run", which holds "/run/docker.sock" (Docker's API)` + system},
		{"proc", ro(bundle.Source{Bind: true, Real: "/mnt/p", Kind: "dir", FSType: "proc", FSDev: "0:99", FSPath: "/"}), `mounts[0].source is "/mnt/p" on proc, want no file system of the kernel's (rule mounts)`},
		{"shiftfs", ro(bundle.Source{Bind: true, Real: "/mnt/s", Kind: "dir", FSType: "shiftfs", FSDev: "0:98", FSPath: "/"}), `mounts[0].source is "/mnt/s" on shiftfs, want no file system that shows directories of another (rule mounts)`},
		{"proc below", bindOf(below, recursive...), `mounts[0].source is "/srv/shop/p" on proc, want no file system of the kernel's (rule mounts)`},
		{"/etc below", bindOf(aliasBelow, recursive...), `mounts[0].source is "/srv/shop/e" (the host's configuration)` + readonly},
		{"a disk", rw(disk), `mounts[0].source is the device "/dev/sda" (8:0), want no device but the default set and the profile's (rule mounts)`},
		{"the console", rw(console), `mounts[0].source is the device "/dev/console" (5:1), want no device but the default set and the profile's (rule mounts)`},
		{"/etc", rw(onDisk("/etc")), `mounts[0].source is "/etc" (the host's configuration)` + readonly},
		{"/etc read-only holds shadow", ro(onDisk("/etc")), `mounts[0].source is "/etc", which holds "/etc/shadow" (password hashes)` + system},
		{"below /usr", rw(onDisk("/usr/bin")), `mounts[0].source is "/usr/bin" (programs that the host runs)` + readonly},
		{"/srv", rw(onDisk("/srv")), `mounts[0].source is "/srv" (the host's services)` + readonly},
		{"a user's home", rw(onDisk("/home/ann")), `mounts[0].source is "/home/ann", which holds "/home/ann/.ssh" (keys that let somebody log in)` + readonly},
		{"Docker's images", ro(onDisk("/var/lib/docker/overlay2")), `mounts[0].source is "/var/lib/docker/overlay2" (Docker's state)` + system},
		{"all volumes", ro(onDisk("/var/lib/docker/volumes")), `mounts[0].source is "/var/lib/docker/volumes" (Docker's state)` + system},
		{"a build's stage, for no step", inBuild("../../elsewhere/rootfs", "snapshots/snapshots/17/fs"), `mounts[0].source is "/var/lib/buildkit/runc-overlayfs/snapshots/snapshots/17/fs" (BuildKit's state)` + system},
		{"all stages", inBuild("executor/q3f/rootfs", "snapshots/snapshots"), `mounts[0].source is "/var/lib/buildkit/runc-overlayfs/snapshots/snapshots" (BuildKit's state)` + system},
		{"the builder's tables", inBuild("executor/q3f/rootfs", "cache.db"), `mounts[0].source is "/var/lib/buildkit/runc-overlayfs/cache.db" (BuildKit's state)` + system},
		{"another's secrets", ro(onDisk("/var/lib/docker/containers/other/mounts/secrets")), `mounts[0].source is "/var/lib/docker/containers/other/mounts/secrets" (Docker's state)` + system},
		{
			"another's socket for readiness", ro(onDisk("/var/lib/containers/storage/overlay-containers/other/userdata/notify")),
			`mounts[0].source is "/var/lib/containers/storage/overlay-containers/other/userdata/notify" (podman's state)` + system,
		},
		{"another pod's secrets", ro(onDisk("/var/lib/kubelet/pods/0b7f/volumes/kubernetes.io~secret/key")), `mounts[0].source is "/var/lib/kubelet/pods/0b7f/volumes/kubernetes.io~secret/key" (kubelet's pods and keys)` + system},
		{
			"a socket of root's", rw(inRun("/run/engine/elsewhere.sock", "socket")),
			`mounts[0].source is "/run/engine/elsewhere.sock", a socket of host root's, want a socket that root does not listen at (a site's profile can open it by its path) (rule mounts)`,
		},
		{"shims' sockets", ro(inRun("/run/containerd/s/1", "socket")), `mounts[0].source is "/run/containerd/s/1" (sockets of containerd's shims)` + system},
		{"not opened", rw(bundle.Source{Bind: true, Path: "/x", Err: "too many levels of symbolic links"}), `mounts[0].source is "/x", which cannot be opened ("too many levels of symbolic links"), want a path of the host (rule mounts)`},
		{"not described", rw(bundle.Source{Path: "/x"}), `mounts[0].source is "/x", want one that was opened and described before (rule mounts)`},
		{"a symbolic link", rw(bundle.Source{Bind: true, Path: "/x", Real: "/x", Kind: "symlink"}), `mounts[0].source is "/x", a symlink, want a directory or a file (rule mounts)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := testSpec(), testPolicy(t)
			c.edit(s, &p)
			narrowMounts(s, p)
			v := judgeMounts(s, p)
			if len(v) != 1 || v[0].String() != c.refused {
				t.Errorf("got  %v\nwant %s", v, c.refused)
			}
		})
	}
}

// ownedBy is the source with another owner on the host.
func ownedBy(src bundle.Source, uid uint32) bundle.Source {
	src.UID = uid
	return src
}
