package harden

import (
	"path"
	"slices"
	"strings"
)

// cgroupsPath objects to a cgroup that is not one below the caller's own parent.
//
// Absent is kept: the runtime then makes a cgroup of the container's own, and which spelling is right depends on the
// cgroup driver, which the rule table does not know. A path is read as libcontainer reads it: with a leading slash or
// without a colon it is a directory, else it is slice:prefix:name for systemd.
func (o *protest) cgroupsPath(p string) {
	const field = "linux.cgroupsPath"
	if p == "" {
		return
	}
	if len(p) > 4096 || !printable(p) || slices.Contains(strings.FieldsFunc(p, func(r rune) bool { return r == '/' || r == ':' }), "..") {
		o.object(field, quote(p), "a path below the caller's own cgroup, without \"..\"")
		return
	}
	if !strings.HasPrefix(p, "/") && strings.Contains(p, ":") {
		o.systemdPath(field, p)
		return
	}
	if clean := path.Clean("/" + p); isShared(strings.Split(clean[1:], "/")) {
		o.object(field, quote(p), "a cgroup of the container's own, below its engine's")
	}
}

func (o *protest) systemdPath(field, p string) {
	parts := strings.Split(p, ":")
	if len(parts) != 3 {
		o.object(field, quote(p), "slice:prefix:name")
		return
	}
	slice, prefix, name := parts[0], parts[1], parts[2]
	if slice != "" && slice != "-.slice" && (!strings.HasSuffix(slice, ".slice") || !only(slice, "_.-@\\") || strings.Contains(slice, "--") || slice[0] == '-') {
		o.object(field, quote(p), "the name of a slice before the first colon")
	}
	if prefix != "" && !only(prefix, "_.-@\\") {
		o.object(field, quote(p), "a plain prefix between the colons")
	}
	// A name that ends in .slice makes libcontainer use that slice itself.
	if !only(name, "_.-@\\") || strings.HasSuffix(name, ".slice") || name == "init.scope" || prefix == "session" {
		o.object(field, quote(p), "the name of a scope of the container's own after the last colon")
	}
}

// engineCgroups are the directories in which engines, kubelet and systemd keep their containers: never one container's.
const engineCgroups = " init.scope docker buildkit podman libpod_parent libpod machine lxc lxc.payload containerd k8s.io" +
	" crio kubepods besteffort burstable guaranteed system user unified bulkhead kubelet systemd "

// isShared tells whether a cgroup directory is the root, a slice, service or login session of systemd's, or an engine's
// own.
func isShared(parts []string) bool {
	last, kubelet := parts[len(parts)-1], slices.Contains(parts, "kubepods")
	switch {
	case last == "":
		return true
	case strings.HasSuffix(last, ".slice"), strings.HasSuffix(last, ".service"), isSession(last):
		return true
	case strings.Contains(engineCgroups, " "+last+" "):
		return len(parts) == 1 || kubelet || strings.HasSuffix(parts[len(parts)-2], ".slice")
	}
	// A pod's own directory holds its containers: kubepods/QOS/podUID or kubepods/podUID.
	return kubelet && strings.HasPrefix(last, "pod")
}

// isSession tells whether a scope is one of systemd-logind's: session-1.scope.
func isSession(scope string) bool {
	return strings.HasPrefix(scope, "session-") && strings.HasSuffix(scope, ".scope")
}
