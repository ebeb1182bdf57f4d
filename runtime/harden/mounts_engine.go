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
	// step allows it only to a step of a build of that very engine.
	step bool
}

// enginePatterns are those of Docker, podman and CRI-O, kubelet, containerd's CRI plugin, nerdctl and BuildKit.
var enginePatterns = [...]enginePattern{
	{segments: "containers/*/hosts", idAt: -1},
	{segments: "containers/*/hostname", idAt: -1},
	{segments: "containers/*/resolv.conf", idAt: -1},
	{segments: "containers/*/mounts/shm", idAt: 1},
	{segments: "containers/*/mounts/secrets", below: true, idAt: 1},
	{segments: "containers/*/mounts/configs", below: true, idAt: 1},
	{segments: "volumes/*/_data", below: true, idAt: -1},
	{segments: "*-containers/*/userdata/hosts", idAt: -1},
	{segments: "*-containers/*/userdata/hostname", idAt: -1},
	{segments: "*-containers/*/userdata/resolv.conf", idAt: -1},
	{segments: "*-containers/*/userdata/.containerenv", idAt: -1},
	{segments: "*-containers/*/userdata/passwd", idAt: 1},
	{segments: "*-containers/*/userdata/group", idAt: 1},
	{segments: "*-containers/*/userdata/localtime", idAt: 1},
	{segments: "*-containers/*/userdata/notify", idAt: 1},
	{segments: "*-containers/*/userdata/shm", idAt: 1},
	{segments: "*-containers/*/userdata/run/secrets", below: true, idAt: 1},
	{segments: "*-containers/*/userdata/secrets", below: true, idAt: 1},
	{segments: "pods/*/volumes/*/*", below: true, idAt: 1},
	{segments: "pods/*/volume-subpaths/*/*/*", below: true, idAt: 1},
	{segments: "pods/*/etc-hosts", idAt: 1},
	{segments: "pods/*/containers/*/*", idAt: 1},
	{segments: "io.containerd.*/sandboxes/*/hosts", idAt: -1},
	{segments: "io.containerd.*/sandboxes/*/hostname", idAt: -1},
	{segments: "io.containerd.*/sandboxes/*/resolv.conf", idAt: -1},
	{segments: "io.containerd.*/sandboxes/*/shm", idAt: -1},
	{segments: "io.containerd.*/containers/*/volumes/*", below: true, idAt: 2},
	{segments: "io.containerd.*/image-volumes/*", below: true, idAt: -1},
	{segments: "*/etchosts/*/*/hosts", idAt: -1},
	{segments: "*/containers/*/*/hostname", idAt: -1},
	{segments: "*/containers/*/*/resolv.conf", idAt: -1},
	{segments: "*/volumes/*/*/_data", below: true, idAt: -1},
	{segments: "*/executor/hosts*", idAt: -1},
	{segments: "*/executor/resolv*.conf", idAt: -1},
	{segments: "*/snapshots/snapshots/*/fs", below: true, idAt: -1, step: true},
	{segments: "*/cachemounts/buildkit*", below: true, idAt: -1, step: true},
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
		if e, ok := enginePatternOf(bundle.ProtectedPath{}, below, s, p); ok && !e.below {
			return true
		}
		_, below, _ = strings.Cut(below, "/")
	}
	return false
}

// engineFile tells whether the path below an engine's state directory is one that the engine gives to this container.
func engineFile(g bundle.ProtectedPath, below string, s *specs.Spec, p Policy) bool {
	_, ok := enginePatternOf(g, below, s, p)
	return ok
}

// enginePatternOf is the pattern that lets the path below an engine's state directory pass.
func enginePatternOf(g bundle.ProtectedPath, below string, s *specs.Spec, p Policy) (enginePattern, bool) {
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
		if e.step {
			return buildStep(g, p)
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

// buildStep tells whether the container is a step of a build of BuildKit's with this state directory: the caller has put its root among
// the builder's. Only those get stages, contexts and caches, which are snapshots of all builds.
func buildStep(g bundle.ProtectedPath, p Policy) bool {
	below, ok := strings.CutPrefix(p.Facts.Root.Real, g.Path+"/")
	match, err := path.Match("*/executor/*/rootfs", below)
	return ok && match && err == nil
}
