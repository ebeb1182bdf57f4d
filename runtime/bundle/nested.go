package bundle

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// wholeMapping is the size of the initial user namespace's mapping, which has every ID but the last (user_namespaces(7)).
const wholeMapping = 1<<32 - 1

// OwnIDs are the user and group IDs that this process has when it runs in a user namespace, as under an unprivileged
// user's engine: what uid_map and gid_map say, from ID 0 on each. Both are nil in the host's own user namespace. They are
// read once: a process with threads cannot change its user namespace (setns(2)), and a mapping is written once.
func OwnIDs() (uids, gids []IDMap, err error) {
	own := ownIDs()
	return own.uids, own.gids, own.err
}

type ownMaps struct {
	uids, gids []IDMap
	err        error
}

var ownIDs = sync.OnceValue(func() (own ownMaps) {
	if own.uids, own.err = ownMap("uid_map"); own.err == nil {
		own.gids, own.err = ownMap("gid_map")
	}
	return own
})

func ownMap(file string) ([]IDMap, error) {
	text, err := os.ReadFile("/proc/self/" + file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	maps, err := parseOwnMap(string(text))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return maps, nil
}

// parseOwnMap gives, line by line, the IDs that there are, each mapped to itself: a user namespace below this one can map
// no extent that spans two of this one's.
func parseOwnMap(text string) ([]IDMap, error) {
	var maps []IDMap
	for line := range strings.Lines(text) {
		var inside, outside, size uint32
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err != nil {
			return nil, fmt.Errorf("line %q: %w", strings.TrimSuffix(line, "\n"), err)
		}
		if inside == 0 && outside == 0 && size == wholeMapping {
			return nil, nil
		}
		maps = append(maps, IDMap{ContainerID: inside, HostID: inside, Size: size})
	}
	return maps, nil
}
