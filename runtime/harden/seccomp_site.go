package harden

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
)

// This file is the part of the rule seccomp that is about the site's own seccomp profiles: the one that the host's configuration maps to
// a container, and those of which one has to hold the filter where the hardening profile wants that.

// narrowToMapped intersects what the hardening profile left with the mapped profile. A running container has had it.
func narrowToMapped(s *specs.Spec, p Policy) []Change {
	if p.Mapped == nil || p.running {
		return nil
	}
	arch := goArch(p.Facts.Kernel.Arch)
	own, err := seccomp.FromOCI(p.Mapped.Seccomp, arch)
	given, errGiven := seccomp.FromOCI(s.Linux.Seccomp, arch)
	if err != nil || errGiven != nil {
		return nil // judge says so
	}
	t := tally{rule: "seccomp"}
	why := fmt.Sprintf("this host maps %s to %s", p.Mapped.By, quote(p.Mapped.Path))
	result, notes := seccomp.Intersect(own, given)
	if ok, _ := seccomp.Subset(given, result); ok {
		t.note("linux.seccomp", describeFilter(given), why+", which permits all of it")
	} else {
		s.Linux.Seccomp = result.ToOCI()
		t.narrow("linux.seccomp", describeFilter(given), describeFilter(result), why)
	}
	for _, n := range notes {
		t.note("linux.seccomp", describeFilter(result), n)
	}
	if p.Mapped.Warning != "" {
		t.note("linux.seccomp", quote(p.Mapped.Path), p.Mapped.Warning)
	}
	return t.changes
}

// elsewhere notes a caller's profile that was made for other architectures only: its names are taken for the native calls, which may
// be others.
func (t *tally) elsewhere(given *specs.LinuxSeccomp, arch string) {
	if len(given.Architectures) > 0 && !slices.Contains(given.Architectures, specs.Arch(arch)) {
		t.note("linux.seccomp.architectures", fmt.Sprintf("%q", given.Architectures),
			"the seccomp profile was made for another architecture than "+arch+": the program may make other calls here")
	}
}

// withinMapped objects to a filter beyond the mapped profile.
func (o *protest) withinMapped(result seccomp.Profile, p Policy) {
	if p.Mapped == nil || p.running {
		return
	}
	own, err := seccomp.FromOCI(p.Mapped.Seccomp, goArch(p.Facts.Kernel.Arch))
	if err != nil {
		o.object("linux.seccomp", "not comparable with "+quote(p.Mapped.Path)+" ("+err.Error()+")", "a readable profile where this host maps "+p.Mapped.By)
		return
	}
	if own.Notifies() {
		o.object("linux.seccomp", "under "+quote(p.Mapped.Path)+", which asks an agent (SCMP_ACT_NOTIFY)", "a profile that decides by itself where this host maps "+p.Mapped.By)
		return
	}
	if ok, beyond := seccomp.Subset(result, own); !ok {
		o.object("linux.seccomp", "beyond "+quote(p.Mapped.Path)+" ("+beyond+")", "a part of it, as this host maps "+p.Mapped.By)
	}
}

// withinRegistered objects to a filter that no registered profile holds, where the hardening profile wants one. That is the whole test:
// neither who brought the profile nor its name counts, so the engine's usual profile passes only on a host that registered
// one as wide.
func (o *protest) withinRegistered(result seccomp.Profile, p Policy) {
	if !p.Profile.Seccomp.RequireRegistered.On || p.running {
		return
	}
	for _, r := range p.Registered {
		own, err := seccomp.FromOCI(r.Seccomp, goArch(p.Facts.Kernel.Arch))
		if err != nil {
			o.object("linux.seccomp", "not comparable with "+quote(r.Path)+" ("+err.Error()+")", "readable registered profiles")
			return
		}
		if ok, _ := seccomp.Subset(result, own); ok {
			return
		}
	}
	o.object("linux.seccomp", fmt.Sprintf("within none of the %d registered profiles", len(p.Registered)),
		"a generated profile that this host has registered, by --security-opt seccomp=FILE, a Localhost profile, or seccompMap (seccomp.requireRegistered)")
}
