package manual

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// Configuration is bulkhead.json(5), from the type of the configuration file and its comments.
func Configuration(root string) ([]byte, error) {
	p := newPage("bulkhead.json", "5", "configuration file of the container runtime bulkhead")
	if err := p.write("bulkhead.json.5"); err != nil {
		return nil, err
	}
	p.heading("KEYS")
	if err := p.keys(root, reflect.TypeFor[profiles.Config]()); err != nil {
		return nil, err
	}
	if err := p.write("bulkhead.json.5.end"); err != nil {
		return nil, err
	}
	return p.bytes(), nil
}

// Profiles is bulkhead-profiles(5), from the type of a profile, its comments and the shipped profiles.
func Profiles(root string) ([]byte, error) {
	p := newPage("bulkhead-profiles", "5", "hardening profiles of the container runtime bulkhead")
	if err := p.write("bulkhead-profiles.5"); err != nil {
		return nil, err
	}
	p.heading("KEYS")
	if err := p.keys(root, reflect.TypeFor[profiles.Profile]()); err != nil {
		return nil, err
	}
	if err := p.shipped(); err != nil {
		return nil, err
	}
	if err := p.write("bulkhead-profiles.5.end"); err != nil {
		return nil, err
	}
	return p.bytes(), nil
}

func (p *page) keys(root string, t reflect.Type) error {
	comments, err := fieldComments(filepath.Join(root, "profiles"))
	if err != nil {
		return err
	}
	return p.object(comments, t, "")
}

// object writes the keys of a struct. A value that always has the same form is named by it; other structs are gone into.
func (p *page) object(comments map[string]string, t reflect.Type, above string) error {
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		path := strings.TrimPrefix(above+"."+key, ".")
		if key == "reason" {
			continue // said once, of all values
		}
		text := unwritten[path]
		if text == "" {
			text = plainComment(comments[t.Name()+"."+f.Name], t, f.Name)
		}
		form := formOf(f.Type)
		if form != "" {
			if text == "" {
				return fmt.Errorf("write key %q: its field has no comment", path)
			}
			p.item(path, "("+form+") "+text)
			continue
		}
		if err := p.object(comments, f.Type, path); err != nil {
			return err
		}
	}
	return nil
}

// unwritten are texts for keys whose comment in the source is none, or speaks of other fields.
var unwritten = map[string]string{
	"noNewPrivileges":            "No program of the container can gain rights by being started.",
	"maskedPaths":                "Paths of the container that are hidden, beside those that the caller names.",
	"readonlyPaths":              "Paths of the container that are read-only, beside those that the caller names.",
	"devices":                    "Device nodes that a container may have.",
	"limits.memory.reserveBytes": "The least that the reserve is, in bytes.",
	"hooks.allowed":              "Where it is not empty, the absolute paths of the only programs that a hook may run.",
	"limits.oomScoreAdj":         "The OOM score. Its ceiling is the lowest value that a caller may ask for, because a low one protects a process (proc(5): -1000 to 1000).",
}

// formOf is what a value is called; empty for a struct that only one key has.
func formOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[profiles.Switch]():
		return "switch"
	case reflect.TypeFor[profiles.Limit]():
		return "limit"
	case reflect.TypeFor[[]profiles.Entry]():
		return "list of entries"
	case reflect.TypeFor[[]profiles.Device]():
		return "list of devices"
	case reflect.TypeFor[[]profiles.AllowedSource]():
		return "list of sources"
	case reflect.TypeFor[[]profiles.SeccompMapping]():
		return "list of mappings"
	case reflect.TypeFor[map[string]string]():
		return "object"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct:
		return ""
	}
	return "number"
}

// docLink is a link of a Go comment to another name.
var docLink = regexp.MustCompile(`(, to be read with )?\[[A-Z][A-Za-z.]*\]`)

// plainComment makes a comment readable for people who do not read Go: links go, and fields have the names of their keys.
func plainComment(comment string, t reflect.Type, field string) string {
	comment = docLink.ReplaceAllStringFunc(comment, func(s string) string {
		if strings.HasPrefix(s, ",") {
			return ", which only root can have written"
		}
		return strings.Trim(s, "[]")
	})
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Name == field || camel.MatchString(f.Name) {
			comment = regexp.MustCompile(`\b`+f.Name+`\b`).ReplaceAllString(comment, "`"+key+"`")
		}
	}
	return comment
}

// camel is a name that no English word is.
var camel = regexp.MustCompile(`[a-z][A-Z]`)

// shipped writes the built-in profiles: the default one whole, of the others what differs.
func (p *page) shipped() error {
	base, err := profiles.Builtin(profiles.DefaultName)
	if err != nil {
		return err
	}
	p.heading("SHIPPED PROFILES")
	for _, name := range []string{profiles.DefaultName, "restricted", "compatible"} {
		own, err := profiles.Builtin(name)
		if err != nil {
			return err
		}
		p.subheading(name)
		p.paragraph(own.Description)
		if name != profiles.DefaultName {
			p.paragraph("It differs from `" + profiles.DefaultName + "` in this:")
		}
		p.sections(reflect.ValueOf(own), reflect.ValueOf(base), "", name == profiles.DefaultName)
	}
	return nil
}

// sections writes what a profile has, key by key with its reason.
func (p *page) sections(own, base reflect.Value, above string, whole bool) {
	t := own.Type()
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		path := strings.TrimPrefix(above+"."+key, ".")
		v := own.Field(i)
		if !whole && reflect.DeepEqual(v.Interface(), base.Field(i).Interface()) {
			continue
		}
		switch x := v.Interface().(type) {
		case profiles.Switch:
			p.item(fmt.Sprintf("%s: %t", path, x.On), stop(x.Reason))
		case profiles.Limit:
			p.item(fmt.Sprintf("%s: %d, at most %d", path, x.Default, x.Ceiling), stop(x.Reason))
		case profiles.MemoryLimit:
			p.item(fmt.Sprintf("%s: %d percent, less than all but %d percent or %d bytes", path, x.DefaultPercent, x.ReservePercent, x.ReserveBytes), stop(x.Reason))
		case profiles.UserNamespace:
			p.item(fmt.Sprintf("%s.size: %d", path, x.Size), stop(x.Reason))
		case profiles.Seccomp:
			p.item(fmt.Sprintf("%s.profile: %s", path, x.Profile), stop(x.Reason))
			if x.RequireRegistered.On {
				p.item(fmt.Sprintf("%s.requireRegistered: true", path), stop(x.RequireRegistered.Reason))
			}
		case []profiles.Entry:
			p.entries(path, x)
		case []profiles.Device:
			p.devices(path, x)
		default:
			if v.Kind() == reflect.Struct {
				p.sections(v, base.Field(i), path, whole)
			}
		}
	}
}

func (p *page) entries(path string, entries []profiles.Entry) {
	if len(entries) == 0 {
		p.item(path+": none", "")
		return
	}
	p.item(path, fmt.Sprintf("%d entries.", len(entries)))
	p.raw(".RS")
	for _, e := range entries {
		p.item(e.Name, stop(e.Reason))
	}
	p.raw(".RE")
}

func (p *page) devices(path string, devices []profiles.Device) {
	p.item(path, fmt.Sprintf("%d entries.", len(devices)))
	p.raw(".RS")
	for _, d := range devices {
		minor := fmt.Sprint(d.Minor)
		if d.Minor < 0 {
			minor = "*"
		}
		p.item(fmt.Sprintf("%s (%s %d:%s %s)", d.Path, d.Type, d.Major, minor, d.Access), stop(d.Reason))
	}
	p.raw(".RE")
}
