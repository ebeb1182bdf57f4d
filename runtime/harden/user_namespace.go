package harden

import (
	"fmt"
	"math"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// Container root must be an unprivileged user on the host.
//
//	Field:    linux.namespaces[user], linux.uidMappings, linux.gidMappings
//	Allowed:  a new user namespace, mapped to the leased range and nothing else; a sibling's, together with its other
//	          namespaces; a caller's own (Kubernetes hostUsers: false) that maps to no host ID below 65536
//	          under an unprivileged user's engine one of that user's IDs, which are no privileged ones
//	Else:     narrowed; joining the host's user namespace is refused
//	Why:      an escape then lands on an ID that owns nothing. CIS Docker 2.9, NSA/CISA
var userNamespace = Rule{
	ID:      "user-namespace",
	Fields:  []string{"linux.namespaces[user]", "linux.uidMappings", "linux.gidMappings"},
	Summary: "Container root is an unprivileged user on the host.",
	narrow:  narrowUserNamespace,
	judge:   judgeUserNamespace,
}

// firstFreeID is the lowest host ID that a caller's own mapping may use: below it lie the host's users, nobody (65534)
// and the users that systemd allocates.
const firstFreeID = 65536

const whyUserNamespace = "container root must own nothing on the host"

// OwnUserNamespace tells whether the spec brings a user namespace that the rules keep, so that its container needs no
// lease: a new one with an unprivileged mapping, or an engine's to join. f are the facts of the spec.
func OwnUserNamespace(s *specs.Spec, f bundle.Facts) bool {
	if s == nil || s.Linux == nil {
		return false
	}
	i := namespaceIndex(s, specs.UserNamespace)
	if i < 0 || siblingOf(s, f) != "" {
		return false
	}
	if s.Linux.Namespaces[i].Path == "" {
		return ownMappings(s)
	}
	ns := namespaceFact(f, i)
	return ns.Inode != 0 && !ns.Host && ns.Sibling == ""
}

func narrowUserNamespace(s *specs.Spec, p Policy) []Change {
	t := tally{rule: "user-namespace"}
	sibling := siblingOf(s, p.Facts)
	i := namespaceIndex(s, specs.UserNamespace)
	if i < 0 {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		i = len(s.Linux.Namespaces) - 1
		if sibling != "" {
			s.Linux.Namespaces[i].Path = p.JoinUser
			t.narrow("linux.namespaces[user]", "the host's", fmt.Sprintf("that of container %q", sibling), "a namespace is joined together with the user namespace that owns it")
		} else {
			t.narrow("linux.namespaces[user]", "the host's", "a new one", whyUserNamespace)
		}
	}
	t.rootless(p)
	uids, gids := wantedMappings(s, p, i)
	if uids != nil && !slices.Equal(s.Linux.UIDMappings, uids) {
		t.narrow("linux.uidMappings", showMappings(s.Linux.UIDMappings), showMappings(uids), whyUserNamespace)
		s.Linux.UIDMappings = uids
	}
	if gids != nil && !slices.Equal(s.Linux.GIDMappings, gids) {
		t.narrow("linux.gidMappings", showMappings(s.Linux.GIDMappings), showMappings(gids), whyUserNamespace)
		s.Linux.GIDMappings = gids
	}
	return t.changes
}

// wantedMappings are those that the spec should have for its user namespace, element i: those of the namespace that it
// joins, or of the leased range. They are nil when the caller's own stay.
func wantedMappings(s *specs.Spec, p Policy, i int) (uids, gids []specs.LinuxIDMapping) {
	if s.Linux.Namespaces[i].Path != "" && s.Linux.Namespaces[i].Path != p.JoinUser {
		if ns := namespaceFact(p.Facts, i); ns.Sibling == "" {
			return specMappings(ns.UIDMap), specMappings(ns.GIDMap)
		}
	} else if p.Range.Size == 0 && (ownMappings(s) || rootless(p) && len(s.Linux.UIDMappings)+len(s.Linux.GIDMappings) > 0) {
		return nil, nil
	} else if rootless(p) {
		return specMappings(p.Facts.OwnUIDs), specMappings(p.Facts.OwnGIDs)
	}
	if p.Range.Size == 0 {
		return nil, nil
	}
	leased := specs.LinuxIDMapping{ContainerID: 0, HostID: p.Range.Start, Size: p.Range.Size}
	return []specs.LinuxIDMapping{leased}, []specs.LinuxIDMapping{leased}
}

func specMappings(maps []bundle.IDMap) []specs.LinuxIDMapping {
	var out []specs.LinuxIDMapping
	for _, m := range maps {
		out = append(out, specs.LinuxIDMapping{ContainerID: m.ContainerID, HostID: m.HostID, Size: m.Size})
	}
	return out
}

// ownMappings tells whether the spec's mappings are unprivileged.
func ownMappings(s *specs.Spec) bool {
	return privilegeOf(s.Linux.UIDMappings) == "" && privilegeOf(s.Linux.GIDMappings) == ""
}

// privilegeOf says what keeps a mapping from being unprivileged, or nothing.
func privilegeOf(maps []specs.LinuxIDMapping) string {
	if len(maps) == 0 {
		return "absent"
	}
	for i, m := range maps {
		end := uint64(m.HostID) + uint64(m.Size)
		switch {
		case m.Size == 0:
			return "of size 0"
		case m.HostID < firstFreeID, end > math.MaxUint32:
			return "mapped to host ID " + showExtent(m)
		}
		for _, o := range maps[:i] {
			if uint64(o.HostID) < end && uint64(m.HostID) < uint64(o.HostID)+uint64(o.Size) {
				return fmt.Sprintf("mapped to host ID %d twice", max(m.HostID, o.HostID))
			}
		}
	}
	return ""
}

func showExtent(m specs.LinuxIDMapping) string { return fmt.Sprintf("%d+%d", m.HostID, m.Size) }

// showMappings is a mapping in the notation of reports: "0:100000+65536".
func showMappings(maps []specs.LinuxIDMapping) string {
	if len(maps) == 0 {
		return "absent"
	}
	parts := make([]string, len(maps))
	for i, m := range maps {
		parts[i] = fmt.Sprintf("%d:%s", m.ContainerID, showExtent(m))
	}
	return strings.Join(parts, ",")
}

func judgeUserNamespace(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "user-namespace"}
	i := namespaceIndex(s, specs.UserNamespace)
	if i < 0 {
		o.object("linux.namespaces[user]", "the host's", "a new one")
		return o.violations
	}
	path, sibling := s.Linux.Namespaces[i].Path, siblingOf(s, p.Facts)
	switch {
	case path == "" && sibling != "":
		o.object("linux.namespaces[user]", "a new one", fmt.Sprintf("that of container %q, whose namespaces are joined", sibling))
	case path == "":
		o.mapped(s, p)
	case path == p.JoinUser:
		if sibling == "" {
			o.object("linux.namespaces[user]", quote(path), "a new one, because no sibling's namespace is joined")
		}
		o.siblings(s, p)
	default:
		o.joined(s, p, i, sibling)
	}
	return o.violations
}

// siblings objects to the mappings of a sibling's user namespace that are not those of its lease. Without root there is no lease,
// and every container has but the user's IDs.
func (o *protest) siblings(s *specs.Spec, p Policy) {
	if rootless(p) {
		o.unprivilegedMappings(s, p)
		return
	}
	o.leased(s, p)
}

// mapped objects to the mappings of a new user namespace: the leased range, or unprivileged ones when none is leased.
func (o *protest) mapped(s *specs.Spec, p Policy) {
	if p.Range.Size != 0 {
		o.leased(s, p)
		return
	}
	o.unprivilegedMappings(s, p)
}

// unprivilegedMappings objects to mappings that reach a privileged ID of the host, or, where the runtime itself has but the
// IDs of an unprivileged user, to any ID that it does not have.
func (o *protest) unprivilegedMappings(s *specs.Spec, p Policy) {
	if rootless(p) {
		o.within("linux.uidMappings", s.Linux.UIDMappings, p.Facts.OwnUIDs)
		o.within("linux.gidMappings", s.Linux.GIDMappings, p.Facts.OwnGIDs)
		return
	}
	o.unprivileged("linux.uidMappings", s.Linux.UIDMappings)
	o.unprivileged("linux.gidMappings", s.Linux.GIDMappings)
}

func (o *protest) unprivileged(field string, maps []specs.LinuxIDMapping) {
	if got := privilegeOf(maps); got != "" {
		o.object(field, got, fmt.Sprintf("host IDs from %d on, each once", firstFreeID))
	}
}

// leased objects to mappings that are not exactly the leased range.
func (o *protest) leased(s *specs.Spec, p Policy) {
	if p.Range.Size == 0 || p.Range.Start < firstFreeID {
		o.object("linux.uidMappings", fmt.Sprintf("leased as %d+%d", p.Range.Start, p.Range.Size), fmt.Sprintf("a range from host ID %d on", firstFreeID))
		return
	}
	o.exactly("linux.uidMappings", s.Linux.UIDMappings, p)
	o.exactly("linux.gidMappings", s.Linux.GIDMappings, p)
}

func (o *protest) exactly(field string, maps []specs.LinuxIDMapping, p Policy) {
	if len(maps) != 1 || maps[0].ContainerID != 0 || maps[0].HostID != p.Range.Start || maps[0].Size != p.Range.Size {
		o.object(field, showMappings(maps), fmt.Sprintf("0:%d+%d, the leased range", p.Range.Start, p.Range.Size))
	}
}

// joined objects to a user namespace that the spec joins by path.
func (o *protest) joined(s *specs.Spec, p Policy, i int, sibling string) {
	const field = "linux.namespaces[user]"
	ns := namespaceFact(p.Facts, i)
	switch {
	case ns.Err != "":
		o.object(field, "not to be opened ("+quote(ns.Err)+")", "an open user namespace")
	case ns.Inode == 0:
		o.object(field, quote(s.Linux.Namespaces[i].Path), "one that was opened and described before")
	case ns.Kind != "user":
		o.object(field, "a "+ns.Kind+" namespace", "a user namespace")
	case ns.Host:
		o.object(field, "the host's", "a new one")
	case ns.Sibling != sibling:
		o.object(field, "that of "+whose(ns.Sibling), "that of "+whose(sibling)+", as the other namespaces")
	case ns.Sibling != "":
		o.siblings(s, p)
	default:
		o.unprivilegedMappings(s, p)
		if !slices.Equal(s.Linux.UIDMappings, specMappings(ns.UIDMap)) || !slices.Equal(s.Linux.GIDMappings, specMappings(ns.GIDMap)) {
			o.object("linux.uidMappings", showMappings(s.Linux.UIDMappings), "those of the joined user namespace, "+showMappings(specMappings(ns.UIDMap)))
		}
	}
}

func whose(container string) string {
	if container == "" {
		return "no container"
	}
	return fmt.Sprintf("container %q", container)
}
