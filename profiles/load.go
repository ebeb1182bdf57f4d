package profiles

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile bounds a profile and the configuration file in bytes.
const maxFile = 1 << 20

// Load gives the profile of that name: a built-in one, else the site's own from siteDir/NAME.json. A file that has the
// name of a built-in profile is never read.
//
// A site's file must be trusted as [ReadTrusted] has it. It names its base, a built-in profile, and holds only what
// differs: objects are merged key by key, lists are replaced as a whole. What it makes wider than its base must have a
// written reason in "widened", by rule. What it holds is checked strictly; the error has the file and the line.
//
//	{
//	  "base": "default",
//	  "description": "Build machines.",
//	  "limits": {"pids": {"ceiling": 100000, "reason": "one task per file in the large builds"}},
//	  "widened": {"limits": "the large builds start more than 32768 tasks"}
//	}
func Load(name, siteDir string) (Profile, error) {
	if slices.Contains(Names(), name) {
		return Builtin(name)
	}
	if !validName(name) {
		return Profile{}, fmt.Errorf("load profile %q: want %s", name, nameForm)
	}
	path := filepath.Join(siteDir, name+".json")
	data, err := ReadTrusted(path, maxFile)
	if errors.Is(err, ErrAbsent) {
		return Profile{}, fmt.Errorf("load profile %q: it is neither built in (%s) nor in %q",
			name, strings.Join(Names(), ", "), siteDir)
	}
	if err != nil {
		return Profile{}, fmt.Errorf("load profile %q: %w", name, err)
	}
	p, err := parseSite(name, data)
	if err != nil {
		return Profile{}, fmt.Errorf("load profile %q: %w", path, err)
	}
	return p, nil
}

// Parse gives the profile that a site's file with this content would be under this name, with every check of [Load] but
// the one of who can write the file: a file can be tried before it is installed. Errors have the line.
func Parse(name string, data []byte) (Profile, error) {
	if slices.Contains(Names(), name) {
		return Profile{}, fmt.Errorf("name of the file: %q is a built-in profile, a site's file of that name is never read", name)
	}
	if !validName(name) {
		return Profile{}, fmt.Errorf("name of the file: is %q, want %s", name, nameForm)
	}
	if len(data) > maxFile {
		return Profile{}, fmt.Errorf("size of the file: is %d bytes, want at most %d", len(data), maxFile)
	}
	return parseSite(name, data)
}

// parseSite makes a site's profile from its file. It is pure.
func parseSite(name string, data []byte) (Profile, error) {
	lines := map[string]int{}
	var own Profile
	if err := decode(data, "profile", &own, lines); err != nil {
		return Profile{}, err
	}
	if err := checkIdentity(name, own, lines); err != nil {
		return Profile{}, atLine(lines, err)
	}
	base, err := Builtin(own.Base)
	if err != nil {
		return Profile{}, err
	}
	p := base // the decoder replaces lists as a whole, so it never writes into those of the base
	if err := decode(data, "profile", &p, nil); err != nil {
		return Profile{}, err
	}
	p.Name = name
	if own.Description == "" {
		p.Description = fmt.Sprintf("A site's profile based on %q.", own.Base)
	}
	if err := p.Validate(); err != nil {
		return Profile{}, atLine(lines, err)
	}
	return p, atLine(lines, checkWidened(p, base))
}

// checkIdentity is about the keys that a site's file has on its own account, not from its base.
func checkIdentity(name string, own Profile, lines map[string]int) error {
	if _, given := lines["name"]; given && own.Name != name {
		return problemf("name", "is %q, want %q as the file is called", own.Name, name)
	}
	if _, given := lines["rank"]; given {
		return problemf("rank", "is given, but a site's profile has the rank of its base")
	}
	if !slices.Contains(Names(), own.Base) {
		return problemf("base", "is %q, want one of %s", own.Base, strings.Join(Names(), ", "))
	}
	return nil
}

// checkWidened wants a reason for each rule that is wider than the base's, and for no other.
func checkWidened(p, base Profile) error {
	wider := p.Compare(base)
	for _, rule := range wider {
		if p.Widened[rule] == "" {
			return &problem{at: rule, text: "is a rule that the profile makes wider than its base " +
				fmt.Sprintf("%q, want the reason in widened[%q]", base.Name, rule)}
		}
	}
	for _, rule := range RuleIDs() {
		if p.Widened[rule] != "" && !slices.Contains(wider, rule) {
			return problemf("widened."+rule, "gives a reason for a rule that is not wider than the base %q has it", base.Name)
		}
	}
	return nil
}

// atLine puts the line before a problem: that of the value, or of what it is part of when the value is the base's.
func atLine(lines map[string]int, err error) error {
	var p *problem
	if !errors.As(err, &p) {
		return err
	}
	if sections := sectionsOf(p.at); len(sections) > 0 && lines[p.at] == 0 {
		for _, section := range sections {
			if line := lines[section]; line > 0 {
				return fmt.Errorf("line %d: %w", line, err)
			}
		}
	}
	for at := p.at; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		if line := lines[at]; line > 0 {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	return fmt.Errorf("line 1: %w", err)
}
