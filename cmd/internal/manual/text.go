package manual

import (
	"embed"
	"fmt"
	"strings"
)

// Prose is what no definition holds: what a page is about, files, examples. It is plain text: "# NAME" begins a section,
// an empty line a paragraph, "- " an item of a list, "NAME: text" below "## list" an item with a tag, and four spaces an
// example.
//
//go:embed text/*.txt
var prose embed.FS

// write puts a text into the page.
func (p *page) write(name string) error {
	data, err := prose.ReadFile("text/" + name + ".txt")
	if err != nil {
		return fmt.Errorf("read text of manual page: %w", err)
	}
	for _, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
		p.block(strings.Trim(block, "\n"))
	}
	return nil
}

func (p *page) block(block string) {
	lines := strings.Split(block, "\n")
	switch {
	case strings.HasPrefix(block, "# "):
		p.heading(lines[0][2:])
		lines = lines[1:]
	case strings.HasPrefix(block, "## "):
		p.subheading(lines[0][3:])
		lines = lines[1:]
	}
	if len(lines) == 0 {
		return
	}
	first := lines[0]
	switch {
	case strings.HasPrefix(first, "    "):
		for i, l := range lines {
			lines[i] = strings.TrimPrefix(l, "    ")
		}
		p.example(lines)
	case strings.HasPrefix(first, "- "), strings.HasPrefix(first, "= "):
		p.list(lines)
	default:
		p.paragraph(strings.Join(lines, " "))
	}
}

// list writes items: "- text", or "= tag = text". A line that begins neither goes on with the one before.
func (p *page) list(lines []string) {
	var items []string
	for _, l := range lines {
		if strings.HasPrefix(l, "- ") || strings.HasPrefix(l, "= ") {
			items = append(items, l)
			continue
		}
		items[len(items)-1] += " " + strings.TrimSpace(l)
	}
	for _, it := range items {
		if tag, text, ok := strings.Cut(it[2:], " = "); ok && it[0] == '=' {
			p.item(tag, text)
			continue
		}
		p.bullet(it[2:])
	}
}
