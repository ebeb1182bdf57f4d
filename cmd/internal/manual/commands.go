package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Program is the page of a program in section 8, from the definitions of its commands. The text of that name comes
// behind the commands.
func Program(app *cli.App) ([]byte, error) {
	p := newPage(app.Name, "8", app.Usage)
	p.heading("SYNOPSIS")
	p.raw(fmt.Sprintf(`\fB%s\fR [\fIGLOBAL OPTIONS\fR] \fICOMMAND\fR [\fIOPTIONS\fR] [\fIARGUMENTS\fR]`, escape(app.Name)))
	p.heading("DESCRIPTION")
	p.description(app.Description)
	p.heading("GLOBAL OPTIONS")
	p.flags(app.Flags)
	p.item("--help, -h", "Print help, also behind a command.")
	p.item("--version, -v", "Print the version of the program.")
	p.heading("COMMANDS")
	for _, c := range app.Commands {
		if err := p.command(c, ""); err != nil {
			return nil, err
		}
	}
	if err := p.write(app.Name + ".8"); err != nil {
		return nil, err
	}
	return p.bytes(), nil
}

// command writes a command, or the commands below it when it only holds those.
func (p *page) command(c *cli.Command, above string) error {
	if c.Hidden {
		return nil
	}
	name := strings.TrimSpace(above + " " + c.Name)
	if c.Usage == "" {
		return fmt.Errorf("write command %q: it has no usage", name)
	}
	if len(c.Subcommands) > 0 {
		for _, s := range c.Subcommands {
			if err := p.command(s, name); err != nil {
				return err
			}
		}
		return nil
	}
	p.subheading(strings.TrimSpace(name + " " + c.ArgsUsage))
	p.paragraph(sentence(c.Usage))
	if c.Description != "" {
		p.description(c.Description)
	}
	p.flags(c.Flags)
	return nil
}

// description writes the free text of a command: paragraphs, and lines that are indented as examples.
func (p *page) description(text string) {
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(block, "\n")
		if strings.HasPrefix(block, "  ") || strings.HasPrefix(block, "\t") {
			for i, l := range lines {
				lines[i] = strings.TrimLeft(l, " \t")
			}
			p.example(lines)
			continue
		}
		p.paragraph(strings.Join(lines, " "))
	}
}

// flags writes the visible ones in the order of the program.
func (p *page) flags(flags []cli.Flag) {
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok || slices.Contains(f.Names(), "help") || slices.Contains(f.Names(), "version") {
			continue
		}
		value, usage := placeholder(doc)
		text := sentence(usage)
		if d := doc.GetDefaultText(); doc.TakesValue() && d != "" && d != "0" && !strings.Contains(usage, "default") {
			text += " Default: `" + strings.Trim(d, `"`) + "`."
		}
		p.item(spellings(f.Names(), value), text)
	}
}

// placeholder finds the name of a flag's value, which stands between backquotes in its usage.
func placeholder(f cli.DocGenerationFlag) (value, usage string) {
	usage = f.GetUsage()
	if !f.TakesValue() {
		return "", usage
	}
	if parts := strings.SplitN(usage, "`", 3); len(parts) == 3 {
		return parts[1], strings.Join(parts, "")
	}
	return "VALUE", usage
}

func spellings(names []string, value string) string {
	var all []string
	for _, n := range names {
		dashes := "--"
		if len(n) == 1 {
			dashes = "-"
		}
		all = append(all, strings.TrimSpace(dashes+n+" "+value))
	}
	return strings.Join(all, ", ")
}

// sentence makes a usage line one: a capital letter, unless it begins with a name, and a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if word, _, _ := strings.Cut(s, " "); word == strings.ToLower(word) {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	return stop(s)
}

// stop ends a text with a full stop.
func stop(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
