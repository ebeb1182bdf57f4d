package harden

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// rootless tells that the runtime runs in a user namespace itself, under the engine of an unprivileged user.
func rootless(p Policy) bool { return len(p.Facts.OwnUIDs) > 0 }

// rootless notes what cannot be enforced with one user's IDs.
func (t *tally) rootless(p Policy) {
	if rootless(p) && !p.running {
		t.note("linux.uidMappings", "this user's own IDs", "rootless: the containers of one user share the user's IDs, and what is ID 0 outside is the user; no range is leased and no file is shown through one")
	}
}

// within objects to a mapping that is empty or has an ID that the runtime does not have.
func (o *protest) within(field string, maps []specs.LinuxIDMapping, own []bundle.IDMap) {
	const want = "IDs of the user that runs the engine, one extent in one extent"
	if len(maps) == 0 {
		o.object(field, "absent", want)
	}
	for _, m := range maps {
		inside := false
		for _, have := range own {
			if m.HostID >= have.HostID && uint64(m.HostID)+uint64(m.Size) <= uint64(have.HostID)+uint64(have.Size) {
				inside = m.Size > 0
			}
		}
		if !inside {
			o.object(field, showExtent(m), want)
			return
		}
	}
}
