package integration

import (
	"os"
	"path/filepath"
	"strings"
)

// cgroupSettings choose the cgroup driver of an engine's daemon: systemd's in a guest, as in every distribution of today, else the
// runtime's own. The daemon's cgroup becomes a slice then.
func (d *daemon) cgroupSettings() map[string]any {
	if os.Getenv("BULKHEAD_GUEST") == "" {
		return nil
	}
	// A dash in the name of a slice is a step down in the tree of slices (systemd.slice(5)).
	slice := strings.ReplaceAll(filepath.Base(d.dir), "-", "") + ".slice"
	d.cgroup = "/" + slice
	return map[string]any{"cgroup-parent": slice, "exec-opts": []string{"native.cgroupdriver=systemd"}}
}
