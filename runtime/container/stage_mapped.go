package container

import (
	"errors"
	"fmt"
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/userns"
)

// callerMaps tells whether the caller asks for a bind that is shown through the container's ID mapping: with mappings, which
// the rule mounts lets pass only as the container's own, or with an option alone (runtime-spec, "Linux mount options").
func callerMaps(m *specs.Mount) bool {
	return len(m.UIDMappings)+len(m.GIDMappings) > 0 || slices.Contains(m.Options, "idmap") || slices.Contains(m.Options, "ridmap")
}

// cloneMapped makes the detached mount of such a bind for a container whose user namespace is the caller's: kubelet's volumes of
// a pod with hostUsers: false. What the caller did not ask for stays as it is. "ridmap" reaches the mounts below.
func (c *creation) cloneMapped(f *os.File, m *specs.Mount) (*os.File, error) {
	ns, done, err := c.ownNamespace()
	if err != nil {
		return nil, err
	}
	defer done()
	if slices.Contains(m.Options, "rbind") && !slices.Contains(m.Options, "ridmap") {
		return userns.CloneTop(f, ns)
	}
	return userns.Clone(f, ns, slices.Contains(m.Options, "rbind"))
}

// ownNamespace is a user namespace with the mapping that the caller brought: the one to join, or one made for the mount.
func (c *creation) ownNamespace() (ns *os.File, done func(), err error) {
	if ns := c.namespaceFile(specs.UserNamespace); ns != nil {
		return ns, func() {}, nil
	}
	uids, gids := c.hardened.Linux.UIDMappings, c.hardened.Linux.GIDMappings
	if len(uids) != 1 || !slices.Equal(uids, gids) || uids[0].ContainerID != 0 {
		return nil, nil, errors.New("an idmapped mount needs one mapping from ID 0 on, the same for users and groups")
	}
	ns, err = userns.NewNamespace(userns.Range{Start: uids[0].HostID, Size: uids[0].Size})
	if err != nil {
		return nil, nil, fmt.Errorf("make its mapping: %w", err)
	}
	return ns, func() { _ = ns.Close() }, nil
}
