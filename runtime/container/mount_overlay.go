package container

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// maxOverlayData is what mount(2) takes as options: one page with its final zero.
const maxOverlayData = 4095

// mountOverlays mounts, in the private mount namespace, the read-only overlays that a spec asks for as mounts, and makes binds of
// them: BuildKit asks so for a stage of several layers. The container never gets these mounts. What a bind of an overlay shows is
// a second overlay of its layers, which are judged by their open files, each as the source of a bind is: see [creation.cloneOverlay].
// An overlay with other options is left to the rule mounts, which refuses it.
func (c *creation) mountOverlays() error {
	place := filepath.Join(c.Config.StateDir, "overlays")
	mounted := false
	for i, m := range c.asked.Mounts {
		data, ok := overlayData(m)
		if !ok {
			continue
		}
		if !mounted {
			if err := mountPlace(place); err != nil {
				return err
			}
			c.asked.Mounts, mounted = slices.Clone(c.asked.Mounts), true
		}
		target := filepath.Join(place, strconv.Itoa(i))
		if err := os.Mkdir(target, 0o700); err != nil {
			return fmt.Errorf("make directory for mount %q: %w", m.Destination, err)
		}
		if err := unix.Mount("overlay", target, "overlay", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
			return fmt.Errorf("mount the overlay for %q: %w", m.Destination, err)
		}
		c.asked.Mounts[i] = specs.Mount{Destination: m.Destination, Type: "bind", Source: target, Options: []string{"bind", "ro", "nosuid", "nodev"}}
		c.overlays = append(c.overlays, i)
	}
	return nil
}

// mountPlace mounts a small tmpfs for mount points at a directory that stays empty on the host.
func mountPlace(place string) error {
	if err := os.MkdirAll(place, 0o700); err != nil {
		return fmt.Errorf("make directory for overlays: %w", err)
	}
	if err := unix.Mount("bulkhead", place, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=64k,mode=0700"); err != nil {
		return fmt.Errorf("mount directory for overlays: %w", err)
	}
	return nil
}

// overlayData are the options to mount a read-only overlay with. It is not ok when the mount is none, or has an option that is not
// known to add nothing to what its lower directories hold.
func overlayData(m specs.Mount) (data string, ok bool) {
	if m.Type != "overlay" {
		return "", false
	}
	lower := ""
	var keep []string
	for _, o := range m.Options {
		name, value, _ := strings.Cut(o, "=")
		switch {
		case o == "ro", o == "nosuid", o == "nodev", o == "noexec":
		case name == "lowerdir" && lower == "" && absoluteDirs(value):
			lower = o
		case o == "index=off", o == "redirect_dir=off", o == "metacopy=off", o == "userxattr":
			keep = append(keep, o)
		default:
			return "", false
		}
	}
	data = strings.Join(append([]string{lower}, keep...), ",")
	return data, lower != "" && len(data) <= maxOverlayData
}

// absoluteDirs tells whether a list of lower directories has plain absolute paths alone.
func absoluteDirs(list string) bool {
	return !strings.ContainsAny(list, `\,`) && !slices.ContainsFunc(strings.Split(list, ":"), func(dir string) bool { return !filepath.IsAbs(dir) })
}

// overlayChanges are the changes of the mounts that have become binds.
func (c *creation) overlayChanges() []harden.Change {
	var changes []harden.Change
	for _, i := range c.overlays {
		changes = append(changes, harden.Change{
			Rule: "mounts", Field: fmt.Sprintf("mounts[%d].type", i), From: `"overlay"`, To: `"bind"`, Why: "its layers are shown through the container's range",
		})
	}
	return changes
}
