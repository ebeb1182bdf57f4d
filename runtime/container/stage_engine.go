package container

import (
	"errors"
	"fmt"
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// cloneEngineFile mounts a file that the engine keeps for the container where its file system takes no idmapped mount, as failed says:
// podman's hosts and resolv.conf lie in the tmpfs at /run, which takes none before Linux 6.3, and every container has them. It is
// mounted as it is and read-only. What the engine writes to it is seen in the container; its owner shows as 65534.
func (c *creation) cloneEngineFile(f *os.File, src bundle.Source, m *specs.Mount, failed error) (*os.File, error) {
	var unmapped *userns.NotIDMappable
	if !errors.As(failed, &unmapped) {
		return nil, failed
	}
	mnt, err := userns.Clone(f, nil, false)
	if err != nil {
		return nil, err
	}
	m.Options = append(slices.DeleteFunc(slices.Clone(m.Options), func(o string) bool { return o == "rw" }), "ro")
	c.rec.Changes = append(c.rec.Changes, harden.Change{
		Rule: "mounts", Field: fmt.Sprintf("mounts[%q].options", m.Destination), From: "writable", To: "ro",
		Why: fmt.Sprintf("%v, so the container owns nothing of %q", unmapped, src.Real),
	})
	return mnt, nil
}
