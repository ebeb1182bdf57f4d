package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"time"
)

const (
	// maxDaemonConfig bounds what is read.
	maxDaemonConfig = 4 << 20
	backupMark      = ".bulkhead-backup-"
)

// A configFile is the daemon's configuration as it was found.
type configFile struct {
	// path is the real file: a symbolic link that the operator made is followed, and stays.
	path   string
	text   []byte
	absent bool
	mode   fs.FileMode
	uid    int
	gid    int
}

// openConfig reads the configuration. One that is not there is empty.
func openConfig(path string) (*configFile, error) {
	c := &configFile{path: path, mode: 0o644, uid: -1, gid: -1}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return nil, fmt.Errorf("read %s: it is a symbolic link to nothing", path)
		}
		c.absent = true
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	c.path = real
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is no regular file", path)
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		c.uid, c.gid = int(sys.Uid), int(sys.Gid)
	}
	if c.mode = st.Mode().Perm(); c.mode&0o022 != 0 || c.uid != os.Geteuid() {
		return nil, fmt.Errorf("read %s: others can write it (owner %d, mode %#o), and whoever writes it is root; make it root's with mode 0644 first", path, c.uid, c.mode)
	}
	if c.text, err = io.ReadAll(io.LimitReader(f, maxDaemonConfig+1)); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(c.text) > maxDaemonConfig {
		return nil, fmt.Errorf("read %s: it is larger than %d bytes", path, maxDaemonConfig)
	}
	return c, nil
}

// replace writes the new text beside the file and renames: whoever reads sees the old text or the new one, also after a
// crash or a power cut. It refuses when somebody changed the file since it was read.
func (c *configFile) replace(text []byte) error {
	if c.absent {
		if err := os.MkdirAll(filepath.Dir(c.path), 0o755); err != nil { //nolint:gosec // as the engine's package makes it
			return fmt.Errorf("write %s: %w", c.path, err)
		}
	}
	tmp, err := os.CreateTemp(filepath.Dir(c.path), ".bulkhead-new-")
	if err != nil {
		return fmt.Errorf("write %s: %w", c.path, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(c.mode))
	if !c.absent {
		err = errors.Join(err, tmp.Chown(c.uid, c.gid))
	}
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = c.unchanged()
	}
	if err == nil && c.absent {
		err = os.Link(tmp.Name(), c.path) // fails when somebody made one meanwhile
	} else if err == nil {
		err = os.Rename(tmp.Name(), c.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", c.path, err)
	}
	return syncDir(c.path)
}

func (c *configFile) unchanged() error {
	now, err := os.ReadFile(c.path)
	if c.absent && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.absent || !bytes.Equal(now, c.text) {
		return errors.New("somebody else changed it at the same time; run the command again")
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync directory of %s: %w", path, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("sync directory of %s: %w", path, err)
	}
	return nil
}

// backup keeps the text that the file has now. No backup is ever overwritten.
func (c *configFile) backup(now time.Time) (string, error) {
	if c.absent {
		return "", nil
	}
	path := c.path + backupMark + now.UTC().Format("20060102T150405.000000000Z")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, c.mode)
	if err != nil {
		return "", fmt.Errorf("back up %s: %w", c.path, err)
	}
	_, err = f.Write(c.text)
	err = errors.Join(err, f.Chmod(c.mode), f.Chown(c.uid, c.gid), f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(path)
		return "", fmt.Errorf("back up %s: %w", c.path, err)
	}
	return path, nil
}

// sameBackup finds the newest backup that means what text means, so that uninstall gives back the very bytes that install
// found. It gives "" when the file was changed by others since.
func (c *configFile) sameBackup(text []byte) (string, []byte) {
	backups, _ := filepath.Glob(c.path + backupMark + "*")
	slices.Sort(backups)
	for _, path := range slices.Backward(backups) {
		old, err := os.ReadFile(path)
		if err == nil && sameJSON(old, text) {
			return path, old
		}
	}
	return "", nil
}

func sameJSON(a, b []byte) bool {
	var x, y any
	if len(bytes.TrimSpace(a)) == 0 {
		a = []byte("{}")
	}
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(withoutEmptyTable(x), withoutEmptyTable(y))
}

// withoutEmptyTable drops an empty table of runtimes, which says nothing.
func withoutEmptyTable(v any) any {
	if m, ok := v.(map[string]any); ok {
		if t, ok := m[runtimesKey].(map[string]any); ok && len(t) == 0 {
			delete(m, runtimesKey)
		}
	}
	return v
}
