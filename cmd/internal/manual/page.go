// Package manual writes the manual pages from what the programs are made of: the definitions of their commands, the rule
// table, the profiles and the comments beside them.
//
// Only tests import it, so no program carries it. They write a page with -update, which is what `make man` does, and
// fail when a page in the man directory is not what the definitions give.
package manual

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// edition is the date in the pages. It is raised with a release, not with a build, so that a page changes only when
// what it tells changes.
const edition = "2026-11-23"

// A page is a manual page in the making, in the man(7) language.
type page struct {
	b strings.Builder
	// fresh tells that a heading came last, behind which a paragraph needs no request.
	fresh bool
}

// newPage begins a page: its name as in "bulkhead-rules", its section, and its purpose in one line.
func newPage(name, section, purpose string) *page {
	p := &page{}
	p.raw(`.\" Written by make man from the definitions in the source: do not edit.`)
	p.raw(fmt.Sprintf(".TH %s %s %s bulkhead %q", strings.ToUpper(name), section, edition, manualOf(section)))
	p.raw(".nh") // long property names must not be broken
	p.heading("NAME")
	p.raw(escape(name) + ` \- ` + escape(purpose))
	return p
}

func manualOf(section string) string {
	switch section {
	case "5":
		return "File Formats Manual"
	case "7":
		return "Miscellaneous Information Manual"
	}
	return "System Manager's Manual"
}

// raw writes a line that is roff already.
func (p *page) raw(line string) {
	p.b.WriteString(line + "\n")
	p.fresh = strings.HasPrefix(line, ".SH ") || strings.HasPrefix(line, ".SS ")
}

func (p *page) heading(name string)    { p.raw(".SH " + escape(name)) }
func (p *page) subheading(name string) { p.raw(".SS " + escape(name)) }

func (p *page) begin() {
	if !p.fresh {
		p.raw(".PP")
	}
}

// paragraph writes text on its own, whatever lines it came in. What stands between backquotes is bold.
func (p *page) paragraph(text string) {
	p.begin()
	p.flow(text)
}

// item writes text below a tag, which is bold.
func (p *page) item(tag, text string) {
	p.raw(".TP")
	p.raw(`\fB` + escape(tag) + `\fR`)
	p.flow(text)
}

// bullet writes text behind a bullet.
func (p *page) bullet(text string) {
	p.raw(`.IP \(bu 2`)
	p.flow(text)
}

// example writes lines as they are.
func (p *page) example(lines []string) {
	p.begin()
	p.raw(".nf")
	p.raw(".RS 4")
	for _, l := range lines {
		p.raw(atStart(escape(l)))
	}
	p.raw(".RE")
	p.raw(".fi")
}

func (p *page) flow(text string) {
	for _, line := range fold(strings.Fields(text)) {
		p.raw(atStart(inline(line)))
	}
}

// fold puts words on lines of moderate length, so that a change of a word is a change of one line. A bold phrase stays
// on one line.
func fold(words []string) []string {
	const width = 68 // with what escaping adds, below the 80 that lint wants
	var lines []string
	line := ""
	for _, w := range phrases(words) {
		if line != "" && len(line)+1+len(w) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+w, " ")
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// phrases joins the words of each bold phrase.
func phrases(words []string) []string {
	var out []string
	open := false
	for _, w := range words {
		if open {
			out[len(out)-1] += " " + w
		} else {
			out = append(out, w)
		}
		open = open != (strings.Count(w, "`")%2 == 1)
	}
	return out
}

// inline escapes text and makes bold what stands between backquotes.
func inline(text string) string {
	parts := strings.Split(text, "`")
	for i, p := range parts {
		parts[i] = escape(p)
		if i%2 == 1 {
			parts[i] = `\fB` + parts[i] + `\fR`
		}
	}
	return strings.Join(parts, "")
}

// escape takes their meaning from roff's own characters. A plain "-" would become a hyphen that nobody can paste.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`).Replace(text)
}

// atStart protects a line that would be a request.
func atStart(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

func (p *page) bytes() []byte { return []byte(p.b.String()) }

// Compare holds the page in a file against what it should be. With update it writes the file instead.
func Compare(path string, want []byte, update bool) error {
	if update {
		return os.WriteFile(path, want, 0o644) //nolint:gosec // a manual page is for everybody
	}
	got, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read manual page: %w; run make man", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("compare manual page %q: it is not what the definitions give; run make man", path)
	}
	return nil
}
