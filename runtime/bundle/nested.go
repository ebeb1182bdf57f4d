package bundle

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// wholeMapping is the size of the initial user namespace's mapping, which has every ID but the last (user_namespaces(7)).
const wholeMapping = 1<<32 - 1

// OwnIDs are the user and group IDs that this process has when it runs in a user namespace, as under an unprivileged
// user's engine: what uid_map and gid_map say, from ID 0 on each. Both are nil in the host's own user namespace.
func OwnIDs() (uids, gids []IDMap, err error) {
	if uids, err = ownMap("uid_map"); err != nil {
		return nil, nil, err
	}
	if gids, err = ownMap("gid_map"); err != nil {
		return nil, nil, err
	}
	return uids, gids, nil
}

func ownMap(file string) ([]IDMap, error) {
	f, err := os.Open("/proc/self/" + file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	defer f.Close()
	maps, err := parseOwnMap(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return maps, nil
}

// parseOwnMap gives, line by line, the IDs that there are, each mapped to itself: a user namespace below this one can map
// no extent that spans two of this one's.
func parseOwnMap(r io.Reader) ([]IDMap, error) {
	var maps []IDMap
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var inside, outside, size uint32
		if _, err := fmt.Sscan(lines.Text(), &inside, &outside, &size); err != nil {
			return nil, fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		if inside == 0 && outside == 0 && size == wholeMapping {
			return nil, nil
		}
		maps = append(maps, IDMap{ContainerID: inside, HostID: inside, Size: size})
	}
	return maps, nil
}
