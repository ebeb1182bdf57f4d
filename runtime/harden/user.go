package harden

import (
	"fmt"
	"math"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// The container's process runs as a user that its user namespace has.
//
//	Field:    process.user
//	Allowed:  user and group IDs inside the ID mapping; not 0 where the profile wants non-root
//	Else:     refused
//	Why:      an ID outside the mapping is nobody's, and one that overflows becomes another's (CVE-2024-40635).
//	          Pod Security "restricted": runAsNonRoot
//
// Nothing is narrowed: to run a program as somebody else than asked is never what the caller meant.
var user = Rule{
	ID:      "user",
	Fields:  []string{"process.user"},
	Summary: "The process runs as a user and groups that the container's ID mapping has.",
	judge:   judgeUser,
}

func judgeUser(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "user"}
	u := s.Process.User
	uids, gids := mappedIDs(s, p)
	o.id("process.user.uid", u.UID, uids)
	o.id("process.user.gid", u.GID, gids)
	for i, gid := range u.AdditionalGids {
		o.id(fmt.Sprintf("process.user.additionalGids[%d]", i), gid, gids)
	}
	if u.UID == 0 && p.Profile.User.NonRoot.On {
		o.object("process.user.uid", "0", "another than root: set USER in the image or start it with --user")
	}
	if u.Umask != nil && *u.Umask > 0o777 {
		o.object("process.user.umask", fmt.Sprintf("%#o", *u.Umask), "at most 0777")
	}
	return o.violations
}

// An idSpan is one line of an ID mapping, seen from the container.
type idSpan struct{ first, size uint64 }

// mappedIDs are the user and group IDs that the container has: the caller's own mapping, or what the joined user
// namespace has, or the leased range, which starts at 0.
func mappedIDs(s *specs.Spec, p Policy) (uids, gids []idSpan) {
	uids, gids = specSpans(s.Linux.UIDMappings), specSpans(s.Linux.GIDMappings)
	for _, ns := range p.Facts.Namespaces {
		if ns.Kind != "user" {
			continue
		}
		if uids == nil {
			uids = factSpans(ns.UIDMap)
		}
		if gids == nil {
			gids = factSpans(ns.GIDMap)
		}
	}
	leased := []idSpan{{0, uint64(p.Range.Size)}}
	if uids == nil {
		uids = leased
	}
	if gids == nil {
		gids = leased
	}
	return uids, gids
}

func specSpans(maps []specs.LinuxIDMapping) []idSpan {
	var out []idSpan
	for _, m := range maps {
		out = append(out, idSpan{uint64(m.ContainerID), uint64(m.Size)})
	}
	return out
}

func factSpans(maps []bundle.IDMap) []idSpan {
	var out []idSpan
	for _, m := range maps {
		out = append(out, idSpan{uint64(m.ContainerID), uint64(m.Size)})
	}
	return out
}

// id objects to an ID that no span has. Values above 2^31-1 are refused whatever the mapping, because programs on the
// way to the kernel read them as negative numbers (CVE-2024-40635).
func (o *protest) id(field string, id uint32, spans []idSpan) {
	got := strconv.FormatUint(uint64(id), 10)
	if id > math.MaxInt32 {
		o.object(field, got, "at most 2147483647")
		return
	}
	for _, s := range spans {
		if uint64(id) >= s.first && uint64(id) < s.first+s.size {
			return
		}
	}
	if len(spans) == 1 && spans[0].first == 0 {
		o.object(field, got, fmt.Sprintf("below %d, the size of the range", spans[0].size))
		return
	}
	o.object(field, got, "an ID of the user namespace's own mapping")
}
