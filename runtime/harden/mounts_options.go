package harden

import (
	"slices"
	"strings"
)

// mountOptions is what a list of options comes to, read as runc reads it: the last word of a pair counts.
type mountOptions struct {
	bind, recursive          bool
	readonly                 bool
	recReadonly, recWritable bool
	nosuid, nodev, noexec    bool
	recNosuid, recNodev      bool
	recSuid, recDev, recExec bool
	shared                   string
	idmap                    string
	refused                  string
	data                     []string
}

// plainOptions change nothing that the rule cares about.
var plainOptions = [...]string{
	"async", "atime", "defaults", "diratime", "dirsync", "iversion", "lazytime", "noatime", "nodiratime", "noiversion",
	"nolazytime", "nomand", "norelatime", "nostrictatime", "nosymfollow", "relatime", "silent", "loud", "strictatime", "symfollow",
	"sync", "rnodiratime", "rdiratime", "rrelatime", "rnorelatime", "rnoatime", "ratime", "rstrictatime", "rnostrictatime",
	"rnosymfollow", "rsymfollow", "rnoexec", "private", "rprivate", "slave", "rslave", "unbindable", "runbindable", "tmpcopyup",
}

func readOptions(list []string) mountOptions {
	var m mountOptions
	for _, o := range list {
		switch {
		case m.readFlag(o), m.readRecursive(o), slices.Contains(plainOptions[:], o):
		case o == "shared", o == "rshared":
			m.shared = o
		case o == "idmap", o == "ridmap":
			m.idmap = o
		case o == "remount", o == "mand":
			m.refused = o
		default:
			m.data = append(m.data, o)
		}
	}
	return m
}

func (m *mountOptions) readFlag(o string) bool {
	switch o {
	case "bind":
		m.bind = true
	case "rbind":
		m.bind, m.recursive = true, true
	case "ro", "rw":
		m.readonly = o == "ro"
	case "nosuid", "suid":
		m.nosuid = o == "nosuid"
	case "nodev", "dev":
		m.nodev = o == "nodev"
	case "noexec", "exec":
		m.noexec = o == "noexec"
	default:
		return false
	}
	return true
}

func (m *mountOptions) readRecursive(o string) bool {
	switch o {
	case "rro", "rrw":
		m.recReadonly, m.recWritable = o == "rro", o == "rrw"
	case "rnosuid", "rsuid":
		m.recNosuid, m.recSuid = o == "rnosuid", o == "rsuid"
	case "rnodev", "rdev":
		m.recNodev, m.recDev = o == "rnodev", o == "rdev"
	case "rexec":
		m.recExec = true
	default:
		return false
	}
	return true
}

// An optionEdit is a list of options in the making, with the reasons of its changes.
type optionEdit struct {
	asked   []string
	options []string
	reasons []string
}

func editOptions(asked []string) *optionEdit {
	return &optionEdit{asked: asked, options: slices.Clone(asked)}
}

func (e *optionEdit) changed() bool { return !slices.Equal(e.asked, e.options) }

func (e *optionEdit) why() string { return strings.Join(e.reasons, "; ") }

func (e *optionEdit) because(reason string) {
	if !slices.Contains(e.reasons, reason) {
		e.reasons = append(e.reasons, reason)
	}
}

// drop removes the words from the options.
func (e *optionEdit) drop(reason string, words ...string) {
	before := len(e.options)
	e.options = slices.DeleteFunc(e.options, func(o string) bool { return slices.Contains(words, o) })
	if len(e.options) != before {
		e.because(reason)
	}
}

// force makes word hold and its opposites not.
func (e *optionEdit) force(reason, word string, opposites ...string) {
	e.drop(reason, opposites...)
	if !slices.Contains(e.options, word) {
		e.options = append(e.options, word)
		e.because(reason)
	}
}

// quoteOptions is a list of options in the notation of mount(8).
func quoteOptions(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return quote(strings.Join(list, ","))
}

// commonOptions objects to what no mount may have.
func (o *protest) commonOptions(v mountView) {
	field := mountField(v.index, "options")
	if v.opts.shared != "" {
		o.object(field, quote(v.opts.shared), "private propagation")
	}
	if v.opts.refused != "" {
		o.object(field, quote(v.opts.refused), "options of a first mount")
	}
	if v.opts.recSuid || v.opts.recDev || v.opts.recExec || v.opts.recWritable {
		o.object(field, quoteOptions(v.mount.Options), "no recursive option that gives rights back")
	}
	if !v.bind() && v.opts.idmap != "" {
		o.object(field, quote(v.opts.idmap), "ID mappings on binds only")
	}
}
