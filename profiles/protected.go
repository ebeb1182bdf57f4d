package profiles

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed data/protected.txt
var protectedData string

// A ProtectedEntry is a host path, with its class, that containers get only in part or not at all.
type ProtectedEntry struct {
	// Path is absolute and clean. A "*" stands for one path element: expand it on the host (path/filepath.Glob).
	Path string `json:"path"`
	// Class says how much of it is protected:
	//   - "refused": never a bind source, and neither is anything below it. The exception is "/", which stands for itself.
	//   - "engine": as refused, but for the files that the engine made for this very container.
	//   - "readonly": it, and everything below it, is never writable.
	//   - "self": the directory itself is never writable. What is below it is an ordinary volume.
	//
	// Each entry counts on its own: where one lies below another, both do.
	Class string `json:"class"`
	// Why in a few words, for the refusal.
	Why string `json:"why"`
}

// Protected is the table of protected host paths. It is the same for every profile; a site's profile opens single
// paths with [Mounts.AllowedSources].
//
// Directories above an entry are not listed: binding one brings the entry along, so the rule judges them by it. That is
// also why nothing refused may lie in a directory that containers usually bind read-only, such as /var/log.
func Protected() ([]ProtectedEntry, error) {
	text := protectedData
	table := make([]ProtectedEntry, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		class, rest, ok := strings.Cut(line, " ")
		path, why, ok2 := strings.Cut(strings.TrimLeft(rest, " "), " ")
		if !ok || !ok2 {
			return nil, fmt.Errorf("BUG: parse the protected paths: %q", line)
		}
		table = append(table, ProtectedEntry{Path: path, Class: class, Why: why})
	}
	return table, nil
}
