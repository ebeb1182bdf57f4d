package harden

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

const whyVolume = "a volume must not bring setuid programs or devices"

const whyPrivate = "what the host mounts there later was judged by no rule"

// bind narrows the options of a bind.
func (e *optionEdit) bind(v mountView, p Policy) {
	if !v.opts.bind {
		e.force("a mount of type "+v.mount.Type+" has the option", v.mount.Type)
	}
	e.drop("the host's mount decides", "rrw", "rsuid", "rdev", "rexec")
	e.drop(whyPrivate, "slave", "rslave")
	e.force(whyVolume, "nosuid", "suid")
	if !v.device() {
		e.force(whyVolume, "nodev", "dev")
	}
	if v.opts.recursive && len(v.source.Submounts) > 0 {
		e.force(whyVolume, "rnosuid")
		e.force(whyVolume, "rnodev")
	}
	if p.Profile.Mounts.Noexec.On && !hostProgram(v, p) {
		e.force(because("volumes hold data", p.Profile.Mounts.Noexec.Reason), "noexec", "exec")
	}
	if v.opts.readonly && !v.opts.recReadonly {
		if i := slices.Index(e.options, "ro"); i >= 0 {
			e.options[i] = "rro"
		}
		e.drop("", "ro", "rw")
		e.because("read-only holds for the mounts below too")
	}
}

// hostProgram tells whether a bind gives the container one of the host's own programs, such as an engine's init: a
// file that is bound read-only from where the host keeps its programs.
func hostProgram(v mountView, p Policy) bool {
	if v.source.Kind != "file" || !v.opts.readonly && !v.opts.recReadonly {
		return false
	}
	return slices.ContainsFunc(p.Facts.Protected, func(g bundle.ProtectedPath) bool {
		return g.Class == "readonly" && placeOf(v.source).inside(g)
	})
}

// bind objects to the options, the mappings and the source of a bind.
func (o *protest) bind(s *specs.Spec, v mountView, p Policy) {
	field, all := mountField(v.index, "options"), quoteOptions(v.mount.Options)
	switch {
	case !v.opts.bind:
		o.object(field, all, "bind or rbind")
	case slices.Contains(v.mount.Options, "slave") || slices.Contains(v.mount.Options, "rslave"):
		o.object(field, all, "private propagation")
	case !v.opts.nosuid:
		o.object(field, all, "nosuid")
	case !v.opts.nodev && !v.device():
		o.object(field, all, "nodev")
	case v.opts.recursive && len(v.source.Submounts) > 0 && (!v.opts.recNosuid || !v.opts.recNodev):
		o.object(field, all, "rnosuid and rnodev")
	case p.Profile.Mounts.Noexec.On && !v.opts.noexec && !hostProgram(v, p):
		o.object(field, all, "noexec")
	case v.opts.readonly && !v.opts.recReadonly:
		o.object(field, all, "rro")
	case len(v.opts.data) > 0:
		o.object(field, quote(v.opts.data[0]), "options that a bind has")
	}
	o.bindMappings(s, v, p)
	o.source(s, v, p)
}

// bindMappings objects to ID mappings other than the container's own.
func (o *protest) bindMappings(s *specs.Spec, v mountView, p Policy) {
	uids, gids := v.mount.UIDMappings, v.mount.GIDMappings
	if p.Range.Size != 0 {
		if v.opts.idmap != "" || len(uids)+len(gids) > 0 && !leasedMappings(v.mount, p) {
			o.object(mountField(v.index, "uidMappings"), showMappings(uids), "absent")
		}
		return
	}
	if len(uids)+len(gids) > 0 && (!slices.Equal(uids, s.Linux.UIDMappings) || !slices.Equal(gids, s.Linux.GIDMappings)) {
		o.object(mountField(v.index, "uidMappings"), showMappings(uids), showMappings(s.Linux.UIDMappings)+", as the container's")
	}
}

// source objects to what a bind shows the container.
func (o *protest) source(s *specs.Spec, v mountView, p Policy) {
	field, src := mountField(v.index, "source"), v.source
	switch {
	case src.Err != "":
		o.object(field, quote(v.mount.Source)+", which cannot be opened ("+quote(src.Err)+")", "a path of the host")
		return
	case !src.Bind || src.Real == "":
		o.object(field, quote(v.mount.Source), "one that was opened and described before")
		return
	}
	if a, ok := allowedSource(placeOf(src), p); ok {
		if !a.Writable && !v.readonly() {
			o.object(field, quote(src.Real)+" and writable", "it read-only (:ro), as the profile opens it")
		}
		return
	}
	if v.device() {
		if !deviceSource(src, p) {
			o.object(field, fmt.Sprintf("the device %s (%s)", quote(src.Real), src.Rdev), "no device but the default set and the profile's")
		}
		return
	}
	switch src.Kind {
	case "dir", "file", "socket", "fifo":
	default:
		o.object(field, fmt.Sprintf("%s, a %s", quote(src.Real), src.Kind), "a directory or a file")
		return
	}
	if o.place(s, field, placeOf(src), src.FSType, v.readonly(), p) {
		return
	}
	// An engine's socket may be anywhere (dockerd -H unix:///x): who listens at a socket of root's acts as host root.
	if src.Kind == "socket" && src.UID == 0 {
		o.object(field, quote(src.Real)+", a socket of host root's", "a socket that root does not listen at (a site's profile can open it by its path)")
		return
	}
	if !v.opts.recursive {
		return
	}
	for _, sub := range src.Submounts {
		if o.place(s, field, placeBelow(src, sub), sub.FSType, v.readonly(), p) {
			return
		}
	}
}

// deviceSource tells whether a bound node is one that a container has anyway, or that the profile names by path and
// number. Terminals are the host's when they come from the host.
func deviceSource(src bundle.Source, p Policy) bool {
	match := func(d profiles.Device) bool {
		kind := map[string]string{"c": "char", "b": "block"}[d.Type]
		return kind == src.Kind && fmt.Sprintf("%d:%d", d.Major, d.Minor) == src.Rdev
	}
	named := func(d profiles.Device) bool { return !terminal(d) && d.Path == src.Real && match(d) }
	return slices.ContainsFunc(always[:], match) || slices.ContainsFunc(p.Profile.Devices, named)
}
