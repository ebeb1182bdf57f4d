package harden

import (
	"fmt"
	"maps"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// The container sees its own processes, network, mounts and names, not the host's.
//
//	Field:    linux.namespaces[pid ipc uts mount network cgroup time], linux.timeOffsets
//	Allowed:  a new one of each; network, ipc and uts that the engine made (a pod's); a sibling container's, together
//	          with its user namespace; the host's network where the profile gives a reason
//	Else:     cgroup and uts are narrowed to new ones, time offsets without a time namespace are dropped; the host's
//	          pid, ipc, network and mount namespaces, and all that no container and no engine owns, are refused
//	Why:      a shared namespace is a shared kernel object. A path is judged by the namespace's inode and by the user
//	          namespace that owns it (ioctl_ns(2) NS_GET_USERNS), never by its text. CIS Docker 5.10, 5.16, 5.17, 5.21
var namespaces = Rule{
	ID: "namespaces",
	Fields: []string{
		"linux.namespaces[pid]", "linux.namespaces[ipc]", "linux.namespaces[uts]", "linux.namespaces[mount]",
		"linux.namespaces[network]", "linux.namespaces[cgroup]", "linux.namespaces[time]", "linux.timeOffsets",
	},
	Summary: "The container shares no namespace with the host.",
	narrow:  narrowNamespaces,
	judge:   judgeNamespaces,
}

// namespaceIndex is the first element of linux.namespaces of a type, or -1.
func namespaceIndex(s *specs.Spec, kind specs.LinuxNamespaceType) int {
	return slices.IndexFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
}

// namespaceFact is what is known of element i of linux.namespaces: nothing for one that a rule added.
func namespaceFact(f bundle.Facts, i int) bundle.Namespace {
	if i < 0 || i >= len(f.Namespaces) {
		return bundle.Namespace{}
	}
	return f.Namespaces[i]
}

// siblingOf is the first container whose namespaces the spec joins, or empty.
func siblingOf(s *specs.Spec, f bundle.Facts) string {
	for i, n := range s.Linux.Namespaces {
		if ns := namespaceFact(f, i); n.Path != "" && ns.Sibling != "" {
			return ns.Sibling
		}
	}
	return ""
}

func narrowNamespaces(s *specs.Spec, p Policy) []Change {
	t := tally{rule: "namespaces"}
	for _, kind := range []specs.LinuxNamespaceType{specs.CgroupNamespace, specs.UTSNamespace} {
		if namespaceIndex(s, kind) < 0 {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
			t.narrow(namespaceField(kind), "the host's", "a new one", "the container needs to know nothing of the host's")
		}
	}
	if hostNetworkAllowed(specs.NetworkNamespace, p) && hostNetwork(s, p) {
		t.note("linux.namespaces[network]", "the host's", because("the profile lets it", p.Profile.Namespaces.HostNetwork.Reason))
	}
	if len(s.Linux.TimeOffsets) > 0 && !newTimeNamespace(s) {
		t.narrow("linux.timeOffsets", showOffsets(s.Linux.TimeOffsets), "none", "offsets belong to a new time namespace, and the spec has none")
		s.Linux.TimeOffsets = nil
	}
	return t.changes
}

func hostNetwork(s *specs.Spec, p Policy) bool {
	i := namespaceIndex(s, specs.NetworkNamespace)
	return i < 0 || s.Linux.Namespaces[i].Path != "" && namespaceFact(p.Facts, i).Host
}

func newTimeNamespace(s *specs.Spec) bool {
	i := namespaceIndex(s, specs.TimeNamespace)
	return i >= 0 && s.Linux.Namespaces[i].Path == ""
}

func showOffsets(offsets map[string]specs.LinuxTimeOffset) string {
	return quoteList(slices.Sorted(maps.Keys(offsets)))
}

func namespaceField(kind specs.LinuxNamespaceType) string {
	return "linux.namespaces[" + string(kind) + "]"
}

func judgeNamespaces(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "namespaces"}
	seen := map[specs.LinuxNamespaceType]bool{}
	for i, n := range s.Linux.Namespaces {
		switch {
		case !knownNamespace(n.Type):
			o.object(fmt.Sprintf("linux.namespaces[%d].type", i), quote(string(n.Type)), "a type of namespace that this runtime knows")
			continue
		case seen[n.Type]:
			o.object(namespaceField(n.Type), "given twice", "one")
		}
		seen[n.Type] = true
		if n.Path != "" && n.Type != specs.UserNamespace {
			o.joinedNamespace(n, namespaceFact(p.Facts, i), p)
		}
	}
	for _, kind := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.IPCNamespace, specs.NetworkNamespace, specs.MountNamespace, specs.UTSNamespace, specs.CgroupNamespace} {
		if !seen[kind] && !hostNetworkAllowed(kind, p) {
			o.object(namespaceField(kind), "the host's", "a new one")
		}
	}
	o.oneSibling(s, p)
	if len(s.Linux.TimeOffsets) > 0 && !newTimeNamespace(s) {
		o.object("linux.timeOffsets", showOffsets(s.Linux.TimeOffsets), "a new time namespace with them")
	}
	return o.violations
}

func knownNamespace(kind specs.LinuxNamespaceType) bool {
	switch kind {
	case specs.PIDNamespace, specs.NetworkNamespace, specs.MountNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.UserNamespace, specs.CgroupNamespace, specs.TimeNamespace:
		return true
	}
	return false
}

func hostNetworkAllowed(kind specs.LinuxNamespaceType, p Policy) bool {
	return kind == specs.NetworkNamespace && p.Profile.Namespaces.HostNetwork.On && p.Profile.Namespaces.HostNetwork.Reason != ""
}

// engineMade are the namespaces that an engine makes for a pod, or for a network, before it calls the runtime. Each
// holds only what the engine put there. One of processes made in the host's user namespace would show processes of the
// host's users.
var engineMade = []specs.LinuxNamespaceType{specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace}

// joinedNamespace objects to a namespace that the spec joins by path.
func (o *protest) joinedNamespace(n specs.LinuxNamespace, ns bundle.Namespace, p Policy) {
	field := namespaceField(n.Type)
	switch {
	case ns.Err != "":
		o.object(field, "not to be opened ("+quote(ns.Err)+")", "an open namespace")
	case ns.Inode == 0:
		o.object(field, quote(n.Path), "one that was opened and described before")
	case ns.Kind != string(n.Type):
		o.object(field, "a "+ns.Kind+" namespace", "a "+string(n.Type)+" namespace")
	case ns.Host && hostNetworkAllowed(n.Type, p):
	case ns.Host:
		o.object(field, "the host's", "a new one")
	case n.Type == specs.MountNamespace:
		o.object(field, quote(n.Path), "a new one: another's mounts cannot be hardened")
	case ns.Sibling != "":
		if ns.SiblingRange != (bundle.Range{}) && (ns.SiblingRange.Start != p.Range.Start || ns.SiblingRange.Size != p.Range.Size) {
			o.object(field, fmt.Sprintf("that of container %q with the range %d+%d", ns.Sibling, ns.SiblingRange.Start, ns.SiblingRange.Size), fmt.Sprintf("one that belongs to the range %d+%d", p.Range.Start, p.Range.Size))
		}
	case ns.OwnerIsHost && slices.Contains(engineMade, n.Type):
	case ns.OwnerIsHost:
		o.object(field, "owned by the host's user namespace", "a new one or that of a container of this runtime")
	case ownedByJoined(ns, p):
	default:
		o.object(field, "owned by a user namespace of unknown origin", "a new one or that of a container of this runtime")
	}
}

// ownedByJoined tells whether the user namespace that the spec joins owns the namespace: a Kubernetes pod with user
// namespaces of its own.
func ownedByJoined(ns bundle.Namespace, p Policy) bool {
	for _, u := range p.Facts.Namespaces {
		if u.Kind == "user" && u.Inode != 0 && u.Inode == ns.Owner && !u.Host {
			return true
		}
	}
	return false
}

// oneSibling objects to namespaces of more than one container: they have different user namespaces, and a process can
// only be in one.
func (o *protest) oneSibling(s *specs.Spec, p Policy) {
	first := siblingOf(s, p.Facts)
	for i, n := range s.Linux.Namespaces {
		ns := namespaceFact(p.Facts, i)
		if n.Path == "" || n.Type == specs.UserNamespace || ns.Sibling == "" || ns.Sibling == first {
			continue
		}
		o.object(namespaceField(n.Type), fmt.Sprintf("that of container %q", ns.Sibling), fmt.Sprintf("that of container %q, as the others: containers with different ranges share nothing", first))
	}
}
