package harden

import (
	"fmt"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// The container mounts its own file systems and the volumes that it is given, never the host's system.
//
//	Field:    mounts.*
//	Allowed:  proc, sysfs, cgroup, tmpfs, devpts and mqueue at their places; binds of ordinary directories, of volumes
//	          and of the engine's own files; read-only overlays of such; the host's programs and settings read-only
//	Else:     narrowed: nosuid and nodev on binds and tmpfs, noexec where the profile says, ro becomes rro, sysfs and
//	          cgroup read-only, sizes within the memory limit; a source that is, holds or lies in a protected place, a
//	          destination in /proc, shared propagation and every other file system are refused
//	Why:      container root acts as the owner of what it is given. A source is judged by the file that was opened and
//	          its place in its own file system, so that symlinks, bind mounts and aliases change nothing.
//	          CIS Docker 5.6, 5.20, 5.32; CVE-2019-19921, CVE-2025-31133, CVE-2025-52565
var mounts = Rule{
	ID: "mounts",
	Fields: []string{
		"mounts.destination", "mounts.type", "mounts.source", "mounts.options", "mounts.uidMappings", "mounts.gidMappings",
	},
	Summary: "Mounts are the container's own file systems, ordinary volumes and the engine's own files.",
	narrow:  narrowMounts,
	judge:   judgeMounts,
}

// A mountView is one element of mounts as rules look at it.
type mountView struct {
	index  int
	mount  specs.Mount
	source bundle.Source
	opts   mountOptions
}

func mountField(i int, property string) string { return fmt.Sprintf("mounts[%d].%s", i, property) }

func viewMount(s *specs.Spec, p Policy, i int) mountView {
	v := mountView{index: i, mount: s.Mounts[i], opts: readOptions(s.Mounts[i].Options)}
	if i < len(p.Facts.Sources) {
		v.source = p.Facts.Sources[i]
	}
	v.opts.recursive = v.opts.recursive || v.mount.Type == "rbind"
	return v
}

// bind tells whether the mount is a bind: with the option, the type means nothing.
func (v mountView) bind() bool { return bundle.IsBind(v.mount) }

// device tells whether the mount binds a device node, which nodev would make useless.
func (v mountView) device() bool {
	return v.bind() && (v.source.Kind == "char" || v.source.Kind == "block")
}

// readonly tells whether the container cannot write through the mount.
func (v mountView) readonly() bool {
	return v.opts.recReadonly || v.opts.readonly && !v.opts.recWritable
}

func narrowMounts(s *specs.Spec, p Policy) []Change {
	t := tally{rule: "mounts"}
	for i := range s.Mounts {
		t.destination(s, i)
		t.traceSocket(s, p, i)
		v := viewMount(s, p, i)
		edit := editOptions(v.mount.Options)
		switch {
		case v.bind():
			edit.bind(v, p)
			t.idmap(s, p, v, edit)
		case v.mount.Type == "tmpfs":
			edit.tmpfs(s, p, v)
		default:
			edit.kernel(v)
		}
		if !v.bind() && len(s.Mounts[i].UIDMappings)+len(s.Mounts[i].GIDMappings) > 0 {
			t.dropMappings(s, i)
		}
		if edit.changed() {
			t.narrow(mountField(i, "options"), quoteOptions(v.mount.Options), quoteOptions(edit.options), "for "+quote(v.mount.Destination)+": "+edit.why())
			s.Mounts[i].Options = edit.options
		}
		t.noteSource(v, p)
	}
	return t.changes
}

// destination makes a destination absolute and clean, as runc would read it.
func (t *tally) destination(s *specs.Spec, i int) {
	asked := s.Mounts[i].Destination
	if clean := filepath.Clean("/" + asked); clean != asked && asked != "" {
		t.narrow(mountField(i, "destination"), quote(asked), quote(clean), "a destination is a path from the container's root")
		s.Mounts[i].Destination = clean
	}
}

// idmap drops the caller's ID mappings of a bind: the runtime shows every bind through the container's range. With a
// user namespace of its own, the caller maps by itself.
func (t *tally) idmap(s *specs.Spec, p Policy, v mountView, edit *optionEdit) {
	if p.Range.Size == 0 {
		return
	}
	if v.opts.idmap != "" {
		edit.drop("the runtime maps IDs to the container's range", "idmap", "ridmap")
	}
	if len(v.mount.UIDMappings)+len(v.mount.GIDMappings) > 0 && !leasedMappings(v.mount, p) {
		t.dropMappings(s, v.index)
	}
}

func leasedMappings(m specs.Mount, p Policy) bool {
	want := []specs.LinuxIDMapping{{ContainerID: 0, HostID: p.Range.Start, Size: p.Range.Size}}
	return slices.Equal(m.UIDMappings, want) && slices.Equal(m.GIDMappings, want)
}

func (t *tally) dropMappings(s *specs.Spec, i int) {
	t.narrow(mountField(i, "uidMappings"), showMappings(s.Mounts[i].UIDMappings), "absent", "the runtime maps IDs to the container's range")
	s.Mounts[i].UIDMappings, s.Mounts[i].GIDMappings = nil, nil
}

func (t *tally) noteSource(v mountView, p Policy) {
	if !v.bind() {
		return
	}
	field := mountField(v.index, "source")
	if a, ok := allowedSource(placeOf(v.source), p); ok {
		t.note(field, quote(v.source.Real), because("the profile opens "+quote(a.Path), a.Reason))
		return
	}
	switch v.source.Kind {
	case "socket":
		t.note(field, quote(v.source.Real), "whoever listens on this socket answers the container")
	case "fifo":
		t.note(field, quote(v.source.Real), "whoever reads this pipe on the host hears the container")
	}
}

func judgeMounts(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "mounts"}
	for i := range s.Mounts {
		v := viewMount(s, p, i)
		if !o.destination(v) {
			continue
		}
		o.commonOptions(v)
		if v.bind() {
			o.bind(s, v, p)
			continue
		}
		if len(v.mount.UIDMappings)+len(v.mount.GIDMappings) > 0 {
			o.object(mountField(i, "uidMappings"), showMappings(v.mount.UIDMappings), "absent: only binds are mapped")
		}
		if v.mount.Type == "tmpfs" {
			o.tmpfs(s, v, p)
		} else {
			o.kernelMount(s, v, p)
		}
	}
	return o.violations
}
