package userns

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An overlayOption is one mount option; flags have no value.
type overlayOption struct{ key, value string }

// overlayOptions are what mountinfo tells of an overlay, decoded. Paths are as the mounter gave them: perhaps relative.
type overlayOptions struct {
	lower []string        // topmost first
	data  []string        // data-only layers, below all others (kernel 6.5)
	upper string          // "" for a read-only overlay
	keep  []overlayOption // to be repeated on an overlay of the same layers
}

// keptOptions change what the overlay shows or how it writes to upper, so a second overlay of the same layers must agree.
// From Documentation/filesystems/overlayfs.rst and, for SELinux labels, mount(8).
var keptOptions = []string{
	"redirect_dir", "metacopy", "xino", "uuid", "verity", "userxattr", "default_permissions", "volatile", "fsync",
	"context", "fscontext", "defcontext", "rootcontext",
}

// droppedOptions are states of the super block that the kernel reports and nobody set, or that concern the host side only.
var droppedOptions = []string{"rw", "ro", "seclabel", "sync", "dirsync", "lazytime", "mand", "workdir"}

// parseOverlayOptions decodes the super block options of an overlay as mountinfo shows them. An option it does not know
// is an error: a layer must not be shown with a meaning that the engine did not choose.
func parseOverlayOptions(text string) (overlayOptions, error) {
	var o overlayOptions
	var indexed []string
	for _, opt := range splitOptions(text) {
		var err error
		switch opt.key {
		case "lowerdir":
			o.lower, o.data, err = splitLayers(opt.value)
		case "lowerdir+":
			o.lower = append(o.lower, decodeOctal(opt.value))
		case "datadir+":
			o.data = append(o.data, decodeOctal(opt.value))
		case "upperdir":
			o.upper = decodeOctal(opt.value)
		case "index", "nfs_export":
			if opt.value != "off" {
				indexed = append(indexed, opt.key+"="+opt.value)
			} else {
				o.keep = append(o.keep, opt)
			}
		default:
			err = o.sort(opt)
		}
		if err != nil {
			return overlayOptions{}, err
		}
	}
	if len(o.lower) == 0 {
		return overlayOptions{}, errors.New("read overlay options: no lowerdir")
	}
	if o.upper != "" && len(indexed) > 0 {
		return overlayOptions{}, fmt.Errorf(
			"use upper directory %q: %s lets the kernel mount it only once; mount the engine's overlay with index=off",
			o.upper, strings.Join(indexed, " and "))
	}
	return o, nil
}

func (o *overlayOptions) sort(opt overlayOption) error {
	switch {
	case slices.Contains(keptOptions, opt.key):
		opt.value = decodeOctal(strings.Trim(opt.value, `"`))
		o.keep = append(o.keep, opt)
	case !slices.Contains(droppedOptions, opt.key):
		return fmt.Errorf("read overlay options: option %q is not known", opt.key)
	}
	return nil
}

// splitOptions cuts at commas. The kernel writes a comma inside a path as \054; a comma inside an SELinux label stands in
// double quotes, which begin right behind the equals sign of a label option.
func splitOptions(text string) []overlayOption {
	var all []overlayOption
	for text != "" {
		end := strings.IndexByte(text, ',')
		if key, rest, ok := strings.Cut(text, `="`); ok && strings.HasSuffix(key, "context") && !strings.Contains(key, ",") {
			if quote := strings.IndexByte(rest, '"'); quote >= 0 {
				all = append(all, overlayOption{key, rest[:quote]})
				text = strings.TrimPrefix(rest[quote+1:], ",")
				continue
			}
		}
		if end < 0 {
			end = len(text)
		}
		key, value, _ := strings.Cut(text[:end], "=")
		all = append(all, overlayOption{key, value})
		text = text[min(end+1, len(text)):]
	}
	return all
}

// splitLayers cuts a lowerdir value into layers, topmost first: ":" divides, "::" begins a data-only layer. Two escapes lie
// upon each other: the mounter's backslash before a colon or a comma, and on top of it mountinfo's octal, in which that
// backslash is \134. Kernel 6.5 alone shows paths without the mounter's escapes, a colon in them as \072.
func splitLayers(s string) (lower, data []string, err error) {
	var part strings.Builder
	isData := false
	flush := func() {
		if isData {
			data = append(data, part.String())
		} else {
			lower = append(lower, part.String())
		}
		part.Reset()
	}
	for i := 0; i < len(s); {
		c, n, octal := nextChar(s[i:])
		i += n
		switch {
		case c == '\\' && i < len(s):
			escaped, n, _ := nextChar(s[i:])
			part.WriteByte(escaped)
			i += n
		case c == ':' && !octal:
			if part.Len() == 0 {
				return nil, nil, fmt.Errorf("read overlay options: lowerdir %q has an empty layer", s)
			}
			flush()
			if i < len(s) && s[i] == ':' {
				isData = true
				i++
			} else if isData {
				return nil, nil, fmt.Errorf("read overlay options: lowerdir %q has a layer below a data layer", s)
			}
		default:
			part.WriteByte(c)
		}
	}
	if part.Len() == 0 {
		return nil, nil, fmt.Errorf("read overlay options: lowerdir %q has an empty layer", s)
	}
	flush()
	return lower, data, nil
}

// nextChar reads one character of mountinfo text, which may be written as \ooo.
func nextChar(s string) (c byte, width int, octal bool) {
	if len(s) >= 4 && s[0] == '\\' {
		v := 0
		for _, d := range []byte(s[1:4]) {
			if d < '0' || d > '7' {
				return s[0], 1, false
			}
			v = v*8 + int(d-'0')
		}
		if v < 256 {
			return byte(v), 4, true
		}
	}
	return s[0], 1, false
}

// decodeOctal undoes mountinfo's \ooo.
func decodeOctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		c, n, _ := nextChar(s[i:])
		b.WriteByte(c)
		i += n
	}
	return b.String()
}

// unescape removes the mounter's backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
