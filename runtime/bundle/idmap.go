package bundle

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// mappingOf reads the ID mappings of a user namespace. The kernel shows them only through a process in it: the one
// whose /proc/PID/ns/user the path is, else a child of ours that enters it for as long as it takes.
// own is the inode of the runtime's own, which needs neither.
func mappingOf(file *os.File, inode, own uint64) (uids, gids []IDMap, err error) {
	if inode == own {
		return readIDMaps("/proc/thread-self")
	}
	if pid, ok := pidOf(file.Name()); ok {
		if uids, gids, err = mappingOfProcess(pid, inode); err == nil {
			return uids, gids, nil
		}
	}
	err = inside(int(file.Fd()), func(pid int) error {
		uids, gids, err = readIDMaps("/proc/" + strconv.Itoa(pid))
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read its ID mappings: %w", err)
	}
	return uids, gids, nil
}

// pidOf is PID of a path /proc/PID/ns/user.
func pidOf(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "/proc/")
	if !ok {
		return "", false
	}
	rest, ok = strings.CutSuffix(rest, "/ns/user")
	if !ok {
		return "", false
	}
	_, err := strconv.ParseUint(rest, 10, 31)
	return rest, err == nil
}

// mappingOfProcess reads the ID mappings of a process's user namespace. The namespace is compared before and after:
// PIDs are used again, and a process may change its namespace.
func mappingOfProcess(pid string, inode uint64) (uids, gids []IDMap, err error) {
	dir := "/proc/" + pid
	if err := inNamespace(dir, inode); err != nil {
		return nil, nil, err
	}
	if uids, gids, err = readIDMaps(dir); err != nil {
		return nil, nil, err
	}
	return uids, gids, inNamespace(dir, inode)
}

func inNamespace(dir string, inode uint64) error {
	got, err := inodeAt(dir + "/ns/user")
	if err != nil {
		return err
	}
	if got != inode {
		return errors.New("the process is in another user namespace")
	}
	return nil
}

func readIDMaps(dir string) (uids, gids []IDMap, err error) {
	if uids, err = readIDMap(dir + "/uid_map"); err != nil {
		return nil, nil, err
	}
	gids, err = readIDMap(dir + "/gid_map")
	return uids, gids, err
}

// readIDMap reads uid_map or gid_map: user_namespaces(7). A namespace that has none yet gives no lines.
func readIDMap(path string) ([]IDMap, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, plain(err)
	}
	return parseIDMap(string(data))
}

func parseIDMap(text string) ([]IDMap, error) {
	var maps []IDMap
	for line := range strings.Lines(text) {
		var m IDMap
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("parse ID mapping %q: want three numbers", line)
		}
		for i, into := range []*uint32{&m.ContainerID, &m.HostID, &m.Size} {
			n, err := strconv.ParseUint(fields[i], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("parse ID mapping %q: %w", line, err)
			}
			*into = uint32(n)
		}
		maps = append(maps, m)
	}
	return maps, nil
}
