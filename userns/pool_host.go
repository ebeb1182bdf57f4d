package userns

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	subUID = "/etc/subuid"
	subGID = "/etc/subgid"
)

// HostPools are the ranges that this host has for containers: Pools of /etc/subuid, /etc/subgid, /etc/passwd and
// /etc/group. A file that is not there is an empty one.
//
// Only these files are read. Users and subordinate IDs that come from elsewhere through nsswitch.conf(5) (LDAP, SSSD) are
// not seen; on such a host give bulkhead lines of its own.
func HostPools() ([]Range, error) { return hostPools("/") }

func hostPools(root string) ([]Range, error) {
	uids, err := subIDs(root, subUID)
	if err != nil {
		return nil, err
	}
	gids, err := subIDs(root, subGID)
	if err != nil {
		return nil, err
	}
	passwd, err := hostFile(root, "/etc/passwd")
	if err != nil {
		return nil, err
	}
	group, err := hostFile(root, "/etc/group")
	if err != nil {
		return nil, err
	}
	users := slices.Concat(parseNamedIDs(passwd, 2, 3), parseNamedIDs(group, 2))
	return Pools(Owner, uids, gids, users)
}

func subIDs(root, name string) ([]SubIDLine, error) {
	data, err := hostFile(root, name)
	if err != nil {
		return nil, err
	}
	lines, err := ParseSubIDs(bytes.NewReader(data), Owner)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return lines, nil
}

func hostFile(root, name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}
