package bundle

import (
	"errors"
	"fmt"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"
)

// maxMountInfo bounds mountinfo, in bytes: some hundred thousand mounts (fs.mount-max is 100000 by default).
const maxMountInfo = 64 << 20

// A mountEntry is a line of mountinfo: proc_pid_mountinfo(5).
type mountEntry struct {
	id       int
	dev      string // major:minor of the file system
	root     string // what is mounted, as a path in the file system
	point    string // where, below the process's root
	fsType   string
	readonly bool
	options  string // of the super block, with mountinfo's escapes
}

// mountTable holds the mounts of a mount namespace, in the order of mountinfo.
type mountTable struct {
	entries []mountEntry
	byID    map[int]int
}

// readMounts reads the mounts that the calling thread sees.
func readMounts() (*mountTable, error) {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mountinfo: %w", plain(err))
	}
	defer func() { _ = f.Close() }()
	data, err := readUpTo(f, 16<<10, maxMountInfo)
	if err != nil {
		return nil, fmt.Errorf("read mountinfo: %w", err)
	}
	return parseMounts(string(data))
}

func parseMounts(text string) (*mountTable, error) {
	t := &mountTable{byID: map[int]int{}}
	for len(text) > 0 {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		e, err := parseMount(line)
		if err != nil {
			return nil, fmt.Errorf("read mountinfo: line %d: %w", len(t.entries)+1, err)
		}
		t.byID[e.id] = len(t.entries)
		t.entries = append(t.entries, e)
	}
	return t, nil
}

// parseMount reads "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS...] - FSTYPE SOURCE SUPEROPTIONS".
func parseMount(line string) (mountEntry, error) {
	before, after, ok := strings.Cut(line, " - ")
	if !ok {
		return mountEntry{}, errors.New("no separator")
	}
	var front [6]string
	for i := range front {
		front[i], before, _ = strings.Cut(before, " ")
	}
	var back [3]string
	for i := range back {
		back[i], after, _ = strings.Cut(after, " ")
	}
	id, err := strconv.Atoi(front[0])
	if err != nil || front[5] == "" || back[0] == "" {
		return mountEntry{}, errors.New("fields are missing")
	}
	return mountEntry{
		id:       id,
		dev:      front[2],
		root:     unescape(front[3]),
		point:    unescape(front[4]),
		fsType:   unescape(back[0]),
		readonly: hasOption(front[5], "ro") || hasOption(back[2], "ro"),
		options:  back[2],
	}, nil
}

// unescape undoes the octal escapes of mountinfo: \040 is a space.
func unescape(s string) string {
	at := strings.IndexByte(s, '\\')
	if at < 0 {
		return s
	}
	b := []byte(s[:at])
	for i := at; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b = append(b, byte(c))
				i += 3
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hasOption(options, want string) bool {
	for options != "" {
		var o string
		if o, options, _ = strings.Cut(options, ","); o == want {
			return true
		}
	}
	return false
}

// mount finds a mount by its ID.
func (t *mountTable) mount(id int) (mountEntry, bool) {
	i, ok := t.byID[id]
	if !ok {
		return mountEntry{}, false
	}
	return t.entries[i], true
}

// below lists the mounts below a path of this mount namespace, sorted by path, later ones of one path last. A mount
// that another one covers is listed too: what is hidden now may be uncovered later.
func (t *mountTable) below(real string) []Submount {
	var found []Submount
	for i := range t.entries {
		e := &t.entries[i]
		if rel, ok := relative(real, e.point); ok && rel != "" {
			found = append(found, Submount{Path: rel, FSType: e.fsType, FSDev: e.dev, FSPath: e.root})
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Path < found[j].Path })
	return found
}

// place is the path of a file inside its file system.
func (e mountEntry) place(real string) (string, bool) {
	rel, ok := relative(e.point, real)
	if !ok {
		return "", false
	}
	if e.root == "/" {
		return path.Join("/", rel), true
	}
	return e.root + rel, true
}

// relative is what of path lies below dir: "" for dir itself, else with a slash in front. ok is false when path lies elsewhere.
func relative(dir, path string) (rel string, ok bool) {
	if dir == "/" {
		dir = ""
	}
	rel, ok = strings.CutPrefix(path, dir)
	if rel == "/" && dir == "" {
		rel = ""
	}
	return rel, ok && (rel == "" || rel[0] == '/')
}
