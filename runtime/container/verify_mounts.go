package container

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// verifyMounts reads the container's own mount table and compares flags: binds and tmpfs have what the hardened spec asks
// for, the root is read-only where it should be, nothing is shared with the host's mount table, and what of /proc and /sys is to
// be masked or read-only is.
func verifyMounts(pid int, s *specs.Spec) error {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/mountinfo")
	if err != nil {
		return fmt.Errorf("read mountinfo: %w", err)
	}
	defer f.Close()
	infos, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return fmt.Errorf("read mountinfo: %w", err)
	}
	at := map[string]*mountinfo.Info{}
	for _, i := range infos {
		if strings.Contains(i.Optional, "shared:") {
			return fmt.Errorf("mount %q is shared, want slave or private", i.Mountpoint)
		}
		at[i.Mountpoint] = i // the last one covers the others
	}
	root := at["/"]
	if root == nil {
		return fmt.Errorf("the container has no root mount")
	}
	if s.Root.Readonly && !hasFlag(root, "ro") {
		return fmt.Errorf("mount \"/\" is %s, want ro", root.Options)
	}
	for _, m := range s.Mounts {
		if err := verifyMount(at, m); err != nil {
			return err
		}
	}
	return verifyPaths(pid, at, s)
}

// verifyMount compares one mount. Symlinks of the image may have moved its place (libcontainer resolves destinations
// inside the root), so only a mount found at its very destination is compared; the staged clone carries the same flags
// in any place.
func verifyMount(at map[string]*mountinfo.Info, m specs.Mount) error {
	if !bundle.IsBind(m) && m.Type != "tmpfs" {
		return nil
	}
	info := at[filepath.Clean(m.Destination)]
	if info == nil {
		return nil
	}
	for _, flag := range []string{"ro", "nosuid", "nodev", "noexec"} {
		if wants(m.Options, flag) && !hasFlag(info, flag) {
			return fmt.Errorf("mount %q is %s, want %s", m.Destination, info.Options, flag)
		}
	}
	return nil
}

func wants(options []string, flag string) bool {
	return slices.Contains(options, flag) || slices.Contains(options, "r"+flag)
}

func hasFlag(i *mountinfo.Info, flag string) bool {
	return slices.Contains(strings.Split(i.Options, ","), flag)
}
