package rootview

import (
	"fmt"
	"strings"
	"testing"
)

// line is a mount in the form of /proc/self/mountinfo (proc_pid_mountinfo(5)).
func line(id, parent int, path, fsType string) string {
	return fmt.Sprintf("%d %d 0:%d / %s rw,relatime - %s source rw\n", id, parent, id, path, fsType)
}

func TestStackOn(t *testing.T) {
	const m = "/var/lib/docker/overlay2/x/merged"
	other := line(20, 1, "/", "ext4") + line(21, 20, "/var/lib/docker/overlay2/y/merged", "fuse.bulkhead")
	for _, c := range []struct{ name, table, want string }{
		{"nothing there", other, ""},
		{"the engine's alone", other + line(30, 20, m, "overlay"), "overlay"},
		{"a view", other + line(30, 20, m, "overlay") + line(31, 30, m, "fuse.bulkhead"), "overlay fuse.bulkhead"},
		{"in another order", line(31, 30, m, "fuse.bulkhead") + line(40, 31, m, "overlay") + line(30, 20, m, "overlay") + other,
			"overlay fuse.bulkhead overlay"},
		{"a longer path", other + line(30, 20, m+"/proc", "proc"), ""},
		{"two that lie lowest", line(30, 20, m, "overlay") + line(31, 21, m, "overlay"), "read mount table: several mounts lie lowest on one path"},
	} {
		stack, err := stackOn(strings.NewReader(c.table), m)
		var got []string
		for _, info := range stack {
			got = append(got, info.FSType)
		}
		text := strings.Join(got, " ")
		if err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}
