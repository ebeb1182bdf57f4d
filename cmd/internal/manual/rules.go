package manual

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// Rules is bulkhead-rules(7), from the rule table and the comment above each rule. root is the directory of the module.
func Rules(root string) ([]byte, error) {
	comments, err := ruleComments(filepath.Join(root, "runtime", "harden"))
	if err != nil {
		return nil, err
	}
	p := newPage("bulkhead-rules", "7", "what a container may have, rule by rule")
	if err := p.write("bulkhead-rules.7"); err != nil {
		return nil, err
	}
	p.heading("RULES")
	p.paragraph("The rules narrow and judge in this order.")
	for _, r := range harden.Rules {
		about, err := parseRule(comments[r.ID])
		if err != nil {
			return nil, fmt.Errorf("write rule %q: %w", r.ID, err)
		}
		p.subheading(r.ID)
		p.paragraph(r.Summary)
		p.item("Properties", "`"+strings.Join(r.Fields, "`, `")+"`")
		p.item("Allowed", stop(about["Allowed"]))
		p.item("Else", stop(about["Else"]))
		p.item("Why", stop(about["Why"]))
	}
	if err := p.protected(); err != nil {
		return nil, err
	}
	if err := p.write("bulkhead-rules.7.end"); err != nil {
		return nil, err
	}
	return p.bytes(), nil
}

// protected writes the table of protected host paths, by class.
func (p *page) protected() error {
	table, err := profiles.Protected()
	if err != nil {
		return err
	}
	if err := p.write("bulkhead-rules.7.protected"); err != nil {
		return err
	}
	for _, class := range []struct{ name, about string }{
		{"refused", "Never the source of a bind mount, and neither is anything below."},
		{"engine", "As refused, but for the files that the engine made for this very container."},
		{"readonly", "Never writable, and neither is anything below."},
		{"self", "The directory itself is never writable. What is below is an ordinary volume."},
	} {
		p.subheading("Class " + class.name)
		p.paragraph(class.about)
		written := 0
		for _, e := range table {
			if e.Class == class.name {
				p.item(e.Path, stop(e.Why))
				written++
			}
		}
		if written == 0 {
			return fmt.Errorf("write protected paths: none has the class %q", class.name)
		}
	}
	return nil
}

// parseRule reads the block above a rule: "Allowed:", "Else:" and "Why:", each with the lines that go on with it.
func parseRule(comment string) (map[string]string, error) {
	about := map[string]string{}
	key := ""
	for line := range strings.Lines(comment) {
		if !strings.HasPrefix(line, "\t") {
			key = ""
			continue
		}
		line = strings.TrimSpace(line)
		if word, rest, ok := strings.Cut(line, ":"); ok && isRuleKey(word) {
			key, line = word, strings.TrimSpace(rest)
		}
		about[key] = strings.TrimSpace(about[key] + " " + line)
	}
	for _, k := range []string{"Field", "Allowed", "Else", "Why"} {
		if about[k] == "" {
			return nil, fmt.Errorf("its comment has no line %q", k+":")
		}
	}
	return about, nil
}

func isRuleKey(word string) bool {
	switch word {
	case "Field", "Allowed", "Else", "Why":
		return true
	}
	return false
}
