package container

import (
	"fmt"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// sitesSeccomp puts the site's own seccomp profiles into the policy: the one that the host's configuration maps to the container, and
// all registered ones where the filter has to be within one of them. A file that cannot be read, or that others than root can
// write, is an error: a container without the profile that it should have is not created.
func (r *Runtime) sitesSeccomp(s *specs.Spec, p *harden.Policy) error {
	if r.RequireGenerated && !p.Profile.Seccomp.RequireRegistered.On {
		p.Profile.Seccomp.RequireRegistered = profiles.Switch{On: true, Reason: "the runtime was registered with --require-generated"}
	}
	if len(r.Config.SeccompMap) > 0 {
		if err := r.mapSeccomp(s, p); err != nil {
			return err
		}
	}
	if !p.Profile.Seccomp.RequireRegistered.On {
		return nil
	}
	if p.Mapped != nil { // what is within it is within a registered one: the others need not be read
		p.Registered = []harden.Registered{{Path: p.Mapped.Path, Seccomp: p.Mapped.Seccomp}}
		return nil
	}
	names, err := r.Config.ListSeccompFiles()
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := profiles.ReadSeccompFile(r.Config.SeccompFile(name))
		if err != nil {
			return err
		}
		p.Registered = append(p.Registered, harden.Registered{Path: r.Config.SeccompFile(name), Seccomp: f.Seccomp})
	}
	return nil
}

func (r *Runtime) mapSeccomp(s *specs.Spec, p *harden.Policy) error {
	m, ok := r.Config.SeccompFor(s.Annotations)
	if !ok {
		return nil
	}
	path := r.Config.SeccompFile(m.Profile)
	f, err := profiles.ReadSeccompFile(path)
	if err != nil {
		return fmt.Errorf("map %s: %w", m, err)
	}
	p.Mapped = &harden.Mapped{Path: path, By: m.String(), Seccomp: f.Seccomp, Warning: f.RecordedOn.Elsewhere(runtime.GOARCH, kernelRelease())}
	return nil
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
