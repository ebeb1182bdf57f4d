package harden

import (
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Secrets do not travel in the environment unnoticed.
//
//	Field:    process.env
//	Allowed:  everything, where the profile does not say otherwise
//	Else:     variables whose names look like secrets are noted, by name only; refused where the profile says
//	Why:      the environment is readable in /proc/<pid>/environ, in engine inspection and in crash reports.
//	          CIS Docker 4.10, OWASP Docker rule 12
var secrets = Rule{
	ID:      "secrets",
	Fields:  []string{"process.env"},
	Summary: "Environment variables whose names look like secrets are reported, or refused where the profile says.",
	narrow:  noteSecrets,
	judge:   judgeSecrets,
}

// secretWords make a name look like a secret.
var secretWords = [...]string{"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIAL"}

// secretNames are the variables that look like secrets and have a value. A name that ends in _FILE tells where the
// secret is, which is the better way.
func secretNames(s *specs.Spec) []string {
	var names []string
	for _, entry := range s.Process.Env {
		name, value, _ := strings.Cut(entry, "=")
		upper := strings.ToUpper(name)
		if value == "" || strings.HasSuffix(upper, "_FILE") {
			continue
		}
		for _, word := range secretWords {
			if strings.Contains(upper, word) {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

func noteSecrets(s *specs.Spec, p Policy) []Change {
	t := tally{rule: "secrets"}
	for _, name := range secretNames(s) {
		t.note("process.env["+quote(name)+"]", "set", "the name looks like a secret's, and an environment is easy to read: give it as a file")
	}
	return t.changes
}

func judgeSecrets(s *specs.Spec, p Policy) []Violation {
	if !p.Profile.SecretsRefused.On {
		return nil
	}
	o := protest{rule: "secrets"}
	for _, name := range secretNames(s) {
		o.object("process.env["+quote(name)+"]", "set", "secrets in files, not in the environment")
	}
	return o.violations
}
