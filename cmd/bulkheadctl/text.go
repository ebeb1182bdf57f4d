package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// plainWidth is how wide text is that goes to a file or a pipe.
const plainWidth = 100

// outputWidth is the width of the terminal, within what is easy to read.
func outputWidth() int {
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return plainWidth
	}
	return min(max(int(size.Col), 60), 120)
}

// table writes rows of a label and a text: labels aligned, texts wrapped. A row without a text is left out.
func table(w io.Writer, width int, rows [][2]string) {
	label := 0
	for _, r := range rows {
		if r[1] != "" {
			label = max(label, utf8.RuneCountInString(r[0]))
		}
	}
	for _, r := range rows {
		if r[1] != "" {
			entry(w, width, "", fmt.Sprintf("%-*s  ", label, r[0]), r[1])
		}
	}
}

// entry writes indent, label and text; lines that do not fit go on below the text.
func entry(w io.Writer, width int, indent, label, text string) {
	hang := indent + strings.Repeat(" ", utf8.RuneCountInString(label))
	for i, line := range wrap(text, max(width-utf8.RuneCountInString(hang), 20)) {
		if i == 0 {
			fmt.Fprintln(w, strings.TrimRight(indent+label+line, " "))
			continue
		}
		fmt.Fprintln(w, hang+line)
	}
}

// wrap breaks a text at spaces into lines of at most width runes; a longer word has a line of its own. What a terminal
// would obey is shown, not sent: the text may come from an image.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(visible(text)) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// visible replaces control characters.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Cf, r) {
			return '?'
		}
		return r
	}, text)
}

// shorten cuts a long value for people; --json has all of it.
func shorten(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most]) + " ..."
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// byteSize is a size as people say it.
func byteSize(n uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
