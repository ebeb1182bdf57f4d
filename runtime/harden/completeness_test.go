package harden

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// free are the properties that no rule owns, each with the reason.
var free = map[string]string{
	"ociVersion":                 "a newer version is no error (runtime-spec); what this runtime does not know is not applied",
	"process.args":               "what runs is the caller's choice: the walls are around it",
	"process.cwd":                "libcontainer refuses one outside of the root (CVE-2024-21626)",
	"process.terminal":           "a terminal is a pair that the runtime makes and hands to the caller's socket",
	"process.consoleSize.height": "a number for TIOCSWINSZ on the container's own terminal",
	"process.consoleSize.width":  "a number for TIOCSWINSZ on the container's own terminal",
	"hostname":                   "belongs to the UTS namespace, which is never the host's",
	"domainname":                 "belongs to the UTS namespace, which is never the host's",
}

// namespaceKinds are the elements of linux.namespaces that rules own one by one.
var namespaceKinds = []specs.LinuxNamespaceType{
	specs.PIDNamespace, specs.NetworkNamespace, specs.MountNamespace, specs.IPCNamespace,
	specs.UTSNamespace, specs.UserNamespace, specs.CgroupNamespace, specs.TimeNamespace,
}

// properties lists every property of runtime-spec that Linux has, as its path, down to the last one. Elements of lists
// and maps have no index. Other platforms' are left out: libcontainer does not read them.
func properties() []string {
	var leaves []string
	walkProperties(reflect.TypeFor[specs.Spec](), "", &leaves)
	slices.Sort(leaves)
	return slices.Compact(leaves)
}

func walkProperties(t reflect.Type, path string, leaves *[]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t == reflect.TypeFor[specs.LinuxNamespace]() {
		for _, kind := range namespaceKinds {
			*leaves = append(*leaves, path+"["+string(kind)+"]")
		}
		return
	}
	if t.Kind() != reflect.Struct {
		*leaves = append(*leaves, path)
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if on := f.Tag.Get("platform"); on != "" && !slices.Contains(strings.Split(on, ","), "linux") {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous {
			walkProperties(f.Type, path, leaves)
			continue
		}
		if path != "" {
			name = path + "." + name
		}
		walkProperties(f.Type, name, leaves)
	}
}

// covers tells whether a rule's field is the property or holds it.
func covers(field, property string) bool {
	return field == property || strings.HasPrefix(property, field+".")
}

// owners are the rules that own a property.
func owners(property string) []string {
	var ids []string
	for _, r := range Rules {
		for _, f := range r.Fields {
			if covers(f, property) {
				ids = append(ids, r.ID)
			}
		}
	}
	return ids
}

// Every property is decided: owned by one rule, or free with a reason.
func TestEveryPropertyIsDecided(t *testing.T) {
	for _, property := range properties() {
		ids, reason := owners(property), free[property]
		switch {
		case len(ids) == 0 && reason == "":
			t.Errorf("%s: no rule owns it, and nothing says why it is free", property)
		case len(ids) > 1:
			t.Errorf("%s: owned by %s", property, strings.Join(ids, " and "))
		case len(ids) == 1 && reason != "":
			t.Errorf("%s: owned by %s and free", property, ids[0])
		}
	}
}

func TestFieldsExist(t *testing.T) {
	all := properties()
	for _, r := range Rules {
		if len(r.Fields) == 0 || r.Summary == "" || r.ID == "" {
			t.Errorf("rule %q: want an ID, a summary and fields", r.ID)
		}
		for _, f := range r.Fields {
			if !slices.ContainsFunc(all, func(p string) bool { return covers(f, p) }) {
				t.Errorf("rule %s: runtime-spec has no %s", r.ID, f)
			}
		}
	}
	for f := range free {
		if !slices.Contains(all, f) {
			t.Errorf("free: runtime-spec has no %s", f)
		}
	}
}

// A rule that owns a structure owns what a newer runtime-spec adds to it, without having decided anything. So the list
// of properties is written down: when runtime-spec grows, this fails until someone has looked at the rule and added
// the line by hand. There is no flag that rewrites the file.
func TestPropertiesAreReviewed(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "properties.txt"))
	if err != nil {
		t.Fatal(err)
	}
	reviewed := strings.Split(strings.TrimSpace(string(data)), "\n")
	var now []string
	for _, property := range properties() {
		owner := "free"
		if ids := owners(property); len(ids) == 1 {
			owner = ids[0]
		}
		now = append(now, property+" "+owner)
	}
	for _, line := range now {
		if !slices.Contains(reviewed, line) {
			t.Errorf("not reviewed: %s", line)
		}
	}
	for _, line := range reviewed {
		if !slices.Contains(now, line) {
			t.Errorf("gone from runtime-spec or from its rule: %s", line)
		}
	}
}

// The profiles package names the rules that a site may widen, and cannot import this package.
func TestRuleIDs(t *testing.T) {
	var ids []string
	for _, r := range Rules {
		ids = append(ids, r.ID)
		if r.judge == nil {
			t.Errorf("rule %s has no judge", r.ID)
		}
	}
	if want := profiles.RuleIDs(); !slices.Equal(ids, want) {
		t.Errorf("got %q, want %q", ids, want)
	}
}
