package harden

// A tally collects what one rule narrowed, so that each line names the rule only once.
type tally struct {
	rule    string
	changes []Change
}

// narrow records that field was changed from one value to another.
func (t *tally) narrow(field, from, to, why string) {
	t.changes = append(t.changes, Change{Rule: t.rule, Field: field, From: from, To: to, Why: why})
}

// note records what a person should know although nothing was changed.
func (t *tally) note(field, value, why string) {
	t.changes = append(t.changes, Change{Rule: t.rule, Field: field, From: value, To: value, Why: why, Note: true})
}

// A protest collects what one rule objects to.
type protest struct {
	rule       string
	violations []Violation
}

// object records that field is got where the rule wants want.
func (o *protest) object(field, got, want string) {
	o.violations = append(o.violations, Violation{Rule: o.rule, Field: field, Got: got, Want: want})
}

// because joins a sentence with the profile's own reason, when it has one.
func because(why, reason string) string {
	if reason == "" {
		return why
	}
	return why + ": " + reason
}
