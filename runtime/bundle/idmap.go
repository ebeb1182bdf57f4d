package bundle

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// mappingOf reads the ID mappings of a user namespace. The kernel shows them only through a process in it: the one
// whose /proc/PID/ns/user the path is, else any other.
func mappingOf(path string, inode uint64) (uids, gids []IDMap, err error) {
	if pid, ok := pidOf(path); ok {
		if uids, gids, err = mappingOfProcess(pid, inode); err == nil {
			return uids, gids, nil
		}
	}
	names, err := processNames()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if uids, gids, err := mappingOfProcess(pid, inode); err == nil {
			return uids, gids, nil
		}
	}
	return nil, nil, errors.New("its ID mappings cannot be read: no process is in it")
}

func processNames() ([]string, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, plain(err)
	}
	defer func() { _ = proc.Close() }()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, plain(err)
	}
	return names, nil
}

// pidOf is PID of a path /proc/PID/ns/user.
func pidOf(path string) (int, bool) {
	rest, ok := strings.CutPrefix(path, "/proc/")
	if !ok {
		return 0, false
	}
	rest, ok = strings.CutSuffix(rest, "/ns/user")
	if !ok {
		return 0, false
	}
	pid, err := strconv.Atoi(rest)
	return pid, err == nil && pid > 0
}

// mappingOfProcess reads the ID mappings of a process's user namespace. The namespace is compared before and after:
// PIDs are used again, and a process may change its namespace.
func mappingOfProcess(pid int, inode uint64) (uids, gids []IDMap, err error) {
	dir := "/proc/" + strconv.Itoa(pid)
	if err := inNamespace(dir, inode); err != nil {
		return nil, nil, err
	}
	if uids, err = readIDMap(dir + "/uid_map"); err != nil {
		return nil, nil, err
	}
	if gids, err = readIDMap(dir + "/gid_map"); err != nil {
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
			return nil, fmt.Errorf("read ID mapping %q: want three numbers", line)
		}
		for i, into := range []*uint32{&m.ContainerID, &m.HostID, &m.Size} {
			n, err := strconv.ParseUint(fields[i], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("read ID mapping %q: %w", line, err)
			}
			*into = uint32(n)
		}
		maps = append(maps, m)
	}
	return maps, nil
}
