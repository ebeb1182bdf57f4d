package harden

import (
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// An enginePattern is a path below an engine's state directory that the engine itself gives to containers. A star
// is one name. Some are only for the container, or the pod, whose ID is the name at idAt.
type enginePattern struct {
	segments string
	// below also allows what lies below.
	below bool
	// idAt is the segment that must be the ID of the container, or of its pod, or -1.
	idAt int
}

// enginePatterns are those of Docker, podman and CRI-O, kubelet, containerd's CRI plugin, nerdctl and BuildKit.
var enginePatterns = [...]enginePattern{
	{"containers/*/hosts", false, -1},
	{"containers/*/hostname", false, -1},
	{"containers/*/resolv.conf", false, -1},
	{"containers/*/mounts/shm", false, 1},
	{"containers/*/mounts/secrets", true, 1},
	{"containers/*/mounts/configs", true, 1},
	{"volumes/*/_data", true, -1},
	{"*-containers/*/userdata/hosts", false, -1},
	{"*-containers/*/userdata/hostname", false, -1},
	{"*-containers/*/userdata/resolv.conf", false, -1},
	{"*-containers/*/userdata/.containerenv", false, -1},
	{"*-containers/*/userdata/passwd", false, 1},
	{"*-containers/*/userdata/group", false, 1},
	{"*-containers/*/userdata/localtime", false, 1},
	{"*-containers/*/userdata/notify", false, 1},
	{"*-containers/*/userdata/shm", false, 1},
	{"*-containers/*/userdata/run/secrets", true, 1},
	{"*-containers/*/userdata/secrets", true, 1},
	{"pods/*/volumes/*/*", true, 1},
	{"pods/*/volume-subpaths/*/*/*", true, 1},
	{"pods/*/etc-hosts", false, 1},
	{"pods/*/containers/*/*", false, 1},
	{"io.containerd.*/sandboxes/*/hosts", false, -1},
	{"io.containerd.*/sandboxes/*/hostname", false, -1},
	{"io.containerd.*/sandboxes/*/resolv.conf", false, -1},
	{"io.containerd.*/sandboxes/*/shm", false, -1},
	{"io.containerd.*/containers/*/volumes/*", true, 2},
	{"io.containerd.*/image-volumes/*", true, -1},
	{"*/etchosts/*/*/hosts", false, -1},
	{"*/containers/*/*/hostname", false, -1},
	{"*/containers/*/*/resolv.conf", false, -1},
	{"*/volumes/*/*/_data", true, -1},
	{"*/executor/hosts*", false, -1},
	{"*/executor/resolv*.conf", false, -1},
}

// engineInside are the directories below a state root in which an engine that brings others keeps theirs.
var engineInside = [...]string{"storage/", "containerd/", "kubelet/", "k3s/agent/containerd/", "rke2/agent/containerd/"}

// EngineFile tells whether a bind's source is one of the files that an engine keeps for every container, such as its hosts or
// resolv.conf, wherever the engine's state is: nothing of a volume. It says how to mount what the rules let pass, and lets nothing pass.
func EngineFile(src bundle.Source, s *specs.Spec, p Policy) bool {
	if src.Kind != "file" {
		return false
	}
	for below := strings.Trim(src.Real, "/"); below != ""; {
		if e, ok := enginePatternOf(below, s, p); ok && !e.below {
			return true
		}
		_, below, _ = strings.Cut(below, "/")
	}
	return false
}

// engineFile tells whether the path below an engine's state directory is one that the engine gives to this container.
func engineFile(below string, s *specs.Spec, p Policy) bool {
	_, ok := enginePatternOf(below, s, p)
	return ok
}

// enginePatternOf is the pattern that lets the path below an engine's state directory pass.
func enginePatternOf(below string, s *specs.Spec, p Policy) (enginePattern, bool) {
	for _, prefix := range engineInside {
		if rest, ok := strings.CutPrefix(below, prefix); ok {
			below = rest
			break
		}
	}
	if below == "" {
		return enginePattern{}, false
	}
	names := strings.Split(below, "/")
	i := slices.IndexFunc(enginePatterns[:], func(e enginePattern) bool {
		want := strings.Split(e.segments, "/")
		if len(names) < len(want) || len(names) > len(want) && !e.below {
			return false
		}
		for i, pattern := range want {
			if ok, err := path.Match(pattern, names[i]); !ok || err != nil {
				return false
			}
		}
		return e.idAt < 0 || ownID(names[e.idAt], p) || want[0] == "pods" && ownPod(names[e.idAt], s)
	})
	if i < 0 {
		return enginePattern{}, false
	}
	return enginePatterns[i], true
}

// ownID tells whether the ID is this container's or that of one whose namespaces it joins.
func ownID(id string, p Policy) bool {
	return id == p.ID && id != "" || slices.ContainsFunc(p.Facts.Namespaces, func(n bundle.Namespace) bool { return n.Sibling == id && id != "" })
}

// ownPod tells whether the UID is that of the container's pod, by what kubelet's engines write: containerd's and CRI-O's
// annotations, or the pod's cgroup, whose name systemd has with underscores. Other pods' secrets lie beside its own.
func ownPod(uid string, s *specs.Spec) bool {
	if uid == s.Annotations["io.kubernetes.cri.sandbox-uid"] || uid == s.Annotations["io.kubernetes.pod.uid"] {
		return uid != ""
	}
	slice, _, _ := strings.Cut(s.Linux.CgroupsPath, ":")
	return slices.ContainsFunc(strings.Split(slice, "/"), func(name string) bool {
		name = strings.ReplaceAll(strings.TrimSuffix(name, ".slice"), "_", "-")
		return uid != "" && (name == "pod"+uid || strings.HasPrefix(name, "kubepods") && strings.HasSuffix(name, "-pod"+uid))
	})
}
