package container

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/bulkhead-runtime/bulkhead/cgroups"
	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// profileAnnotation lets a container choose a tighter profile than the host's.
const profileAnnotation = harden.ProfileAnnotation

// A ceiling is what a profile allows at most, with its seccomp profile.
type ceiling struct {
	profile profiles.Profile
	filter  *specs.LinuxSeccomp
}

// loadCeiling loads the profile of this invocation, or the tighter one that a container's annotation names.
func (r *Runtime) loadCeiling(annotation string) (c ceiling, err error) {
	if c.profile, err = r.selectProfile(annotation); err != nil {
		return c, err
	}
	c.filter, err = seccompCeiling(c.profile.Seccomp.Profile)
	return c, err
}

// selectPolicy makes the part of the policy that needs no look at the bundle's files: profile and host. usual waits for
// the profile that a container without an annotation gets.
func (r *Runtime) selectPolicy(s *specs.Spec, id string, usual func() (ceiling, error)) (harden.Policy, error) {
	c, err := usual()
	if name := s.Annotations[profileAnnotation]; name != "" {
		c, err = r.loadCeiling(name)
	}
	if err != nil {
		return harden.Policy{}, err
	}
	policy := harden.Policy{Profile: c.profile, ID: id, Seccomp: c.filter}
	if err := r.sitesSeccomp(s, &policy); err != nil {
		return harden.Policy{}, err
	}
	path := ""
	if s.Linux != nil {
		path = s.Linux.CgroupsPath
	}
	host, err := cgroups.Probe(path, r.SystemdCgroup)
	if err != nil {
		return harden.Policy{}, err
	}
	policy.Host = host
	return policy, nil
}

// seccompCeiling loads the seccomp profile that a hardening profile names: a built-in one, or a file of the site's that root
// alone can write.
func seccompCeiling(name string) (*specs.LinuxSeccomp, error) {
	if !filepath.IsAbs(name) {
		return profiles.SeccompProfile(name)
	}
	f, err := profiles.ReadSeccompFile(name)
	return f.Seccomp, err
}

// selectProfile loads the profile of this invocation. A container's annotation counts only when it is tighter.
func (r *Runtime) selectProfile(annotation string) (profiles.Profile, error) {
	name, err := profiles.Select(r.Profile, r.Program, r.Config)
	if err != nil {
		return profiles.Profile{}, err
	}
	p, err := profiles.Load(name, r.Config.ProfilesDir)
	if err != nil || annotation == "" || annotation == name {
		return p, err
	}
	wanted, err := profiles.Load(annotation, r.Config.ProfilesDir)
	if err != nil {
		return profiles.Profile{}, err
	}
	if !profiles.Tighter(p, wanted) {
		return profiles.Profile{}, fmt.Errorf("choose profile %q by annotation %s: it is not tighter than %q, which this host sets", annotation, profileAnnotation, name)
	}
	return wanted, nil
}

// protectedPaths is the table of host paths that no container gets, with the runtime's own directories.
func protectedPaths(own ...string) ([]bundle.ProtectedPath, error) {
	entries, err := profiles.Protected()
	if err != nil {
		return nil, err
	}
	const further = 8 // what Resolve adds
	table := make([]bundle.ProtectedPath, 0, len(entries)+len(own)+further)
	for _, e := range entries {
		table = append(table, bundle.ProtectedPath{Path: e.Path, Class: e.Class, Why: e.Why})
	}
	for _, dir := range own {
		table = append(table, bundle.ProtectedPath{Path: dir, Class: "refused", Why: "the runtime's own state"})
	}
	return table, nil
}

// lease gets the container its range: a new one, the one of the container whose namespace it joins, or none when the
// caller brought a user namespace of its own.
func (c *creation) lease() error {
	if len(c.policy.Facts.OwnUIDs) > 0 {
		c.rec.Leased = false // there is nothing to lease from: see the note of rule user-namespace
		return c.joinSibling(userns.Range{})
	}
	if harden.OwnUserNamespace(c.asked, c.policy.Facts) {
		c.rec.Leased = false
		return c.checkOwnMapping()
	}
	store, err := c.leases()
	if err != nil {
		return err
	}
	defer store.Close()
	h, err := userns.Self(c.Root, c.o.ID)
	if err != nil {
		return err
	}
	// This create made the directory that otherwise tells that a holder lives: what an earlier container of the same ID
	// left in the store is stale.
	store.Alive = func(other userns.Holder) bool {
		return (other.Root != h.Root || other.ID != h.ID) && userns.StateExists(other)
	}
	if r, ok := joinedRange(c.policy.Facts); ok {
		if err := store.Join(h, r); err != nil {
			return err
		}
		return c.joinSibling(r)
	}
	pools, err := userns.HostPools()
	if err != nil {
		return err
	}
	c.rec.Range, err = store.Lease(h, c.policy.Profile.UserNamespace.Size, pools)
	c.policy.Range = c.rec.Range
	if err == nil {
		leased := c.rec.Range
		c.mapping = beside(func() (*os.File, error) { return userns.NewNamespace(leased) })
	}
	return err
}

// checkOwnMapping refuses a caller's own mapping that reaches into the pools that this runtime leases from: two containers
// would then share host IDs.
func (c *creation) checkOwnMapping() error {
	pools, err := userns.HostPools()
	if err != nil {
		return err
	}
	maps := append(slices.Clone(c.asked.Linux.UIDMappings), c.asked.Linux.GIDMappings...)
	for _, n := range c.policy.Facts.Namespaces {
		for _, m := range append(slices.Clone(n.UIDMap), n.GIDMap...) {
			maps = append(maps, specs.LinuxIDMapping{ContainerID: m.ContainerID, HostID: m.HostID, Size: m.Size})
		}
	}
	for _, m := range maps {
		asked := userns.Range{Start: m.HostID, Size: m.Size}
		for _, pool := range pools {
			if asked.Overlaps(pool) {
				return fmt.Errorf("check the user namespace of %q: its host IDs %s lie in the pool %s that bulkhead leases from; give the caller other IDs or bulkhead another pool (/etc/subuid, /etc/subgid)", c.o.ID, asked, pool)
			}
		}
	}
	return nil
}

// joinedRange finds the range of the container whose namespaces the spec joins. That all of them belong to one
// container is judged by the namespaces rule.
func joinedRange(f bundle.Facts) (userns.Range, bool) {
	for _, n := range f.Namespaces {
		if n.Sibling != "" {
			return userns.Range{Start: n.SiblingRange.Start, Size: n.SiblingRange.Size}, true
		}
	}
	return userns.Range{}, false
}

// joinSibling opens the user namespace that owns the joined namespace. A namespace can only be joined with the
// capabilities of the user namespace that owns it (setns(2)), so the container shares it, and the range with it.
func (c *creation) joinSibling(r userns.Range) error {
	c.rec.Range, c.policy.Range = r, r
	for _, n := range c.policy.Facts.Namespaces {
		if n.Sibling == "" {
			continue
		}
		path, err := c.userNamespacePath(n.Owner)
		if err != nil {
			return fmt.Errorf("join the user namespace of %q: %w", n.Sibling, err)
		}
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("join the user namespace of %q: %w", n.Sibling, err)
		}
		if inode(f) != n.Owner {
			_ = f.Close()
			return fmt.Errorf("join the user namespace of %q: its process has ended", n.Sibling)
		}
		c.joined, c.policy.JoinUser = f, path
		return nil
	}
	return nil
}

// runningWith finds a running container, other than the one with this ID, whose record matches. It reads the records of
// all holders of leases, which only the rare create that needs it has to pay for. Under an unprivileged user's engine nothing is leased,
// and that engine's containers are read.
func (r *Runtime) runningWith(match func(*Holding) bool) (*Holding, error) {
	if own, _, err := bundle.OwnIDs(); err != nil || own != nil {
		return r.runningHere(match)
	}
	store, err := r.leases()
	if err != nil {
		return nil, err
	}
	defer store.Close()
	leases, err := store.List()
	if err != nil {
		return nil, err
	}
	for _, l := range leases {
		for _, h := range l.Holders {
			other := &Runtime{Root: h.Root, Config: r.Config}
			rec, err := other.readHolding(h.ID)
			if err == nil && rec.Leased && alive(rec.InitPID, rec.InitStart) && match(rec) {
				return rec, nil
			}
		}
	}
	return nil, nil //nolint:nilnil // none is a valid answer
}

// runningHere is runningWith for the containers of this runtime's root directory.
func (r *Runtime) runningHere(match func(*Holding) bool) (*Holding, error) {
	entries, err := os.ReadDir(r.Root)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	for _, e := range entries {
		rec, err := r.readHolding(e.Name())
		if err == nil && !rec.Creating && alive(rec.InitPID, rec.InitStart) && match(rec) {
			return rec, nil
		}
	}
	return nil, nil //nolint:nilnil // none is a valid answer
}

// sibling recognises the user namespace of another container of bulkhead.
func (r *Runtime) sibling(ns uint64) (id string, rng bundle.Range, ok bool) {
	rec := r.recordOf(ns)
	if rec == nil {
		return "", bundle.Range{}, false
	}
	return rec.ID, bundle.Range{Start: rec.Range.Start, Size: rec.Range.Size}, true
}

// recordOf finds the running container that has the user namespace. When the leases cannot be read it finds none, and a
// namespace that is no container's is refused.
func (r *Runtime) recordOf(ns uint64) *Holding {
	rec, err := r.runningWith(func(rec *Holding) bool { return rec.UserNamespace == ns })
	if err != nil {
		logrus.Warnf("find the container of user namespace %d: %v", ns, err)
	}
	return rec
}

// userNamespacePath is the path of a container's user namespace by one of its processes.
func (r *Runtime) userNamespacePath(ns uint64) (string, error) {
	rec := r.recordOf(ns)
	if rec == nil {
		return "", fmt.Errorf("no running container has it")
	}
	return filepath.Join("/proc", fmt.Sprint(rec.InitPID), "ns/user"), nil
}
