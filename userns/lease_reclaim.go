package userns

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Self is the holder for a container that the calling process creates.
func Self(root, id string) (Holder, error) {
	start, _, err := processStart(os.Getpid())
	if err != nil {
		return Holder{}, fmt.Errorf("read start time of process %d: %w", os.Getpid(), err)
	}
	return Holder{Root: root, ID: id, PID: os.Getpid(), StartTime: start}, nil
}

// Reclaim drops the holders whose container is gone (alive says no; nil is Store.Alive) and whose create process is dead,
// and returns the ranges that became free that way.
//
// The last holder of a range stays while any process on the host uses an ID of the range, as a user, a group, or through
// its user namespace: such a range is not free, whoever is to blame. Two looks at /proc must agree, because a process that
// forks and exits can hide from one. What is NOT seen is a user namespace without a process, kept by a bind mount or an
// open file only, and processes that this program's PID namespace does not show.
//
// Lease files that cannot be read keep their range. alive runs with the store locked and must not call the store.
func (s *Store) Reclaim(alive func(Holder) bool) ([]Range, error) {
	if alive == nil {
		alive = s.Alive
	}
	var freed []Range
	err := s.locked(func() (err error) {
		freed, err = s.reclaim(alive)
		return err
	})
	if err != nil {
		err = fmt.Errorf("reclaim leases: %w", err)
	}
	return freed, err
}

func (s *Store) reclaim(alive func(Holder) bool) ([]Range, error) {
	taken, err := s.taken()
	if err != nil {
		return nil, err
	}
	var dead []Lease
	for _, r := range taken {
		l, err := s.load(r)
		if err != nil {
			continue
		}
		gone := slices.DeleteFunc(slices.Clone(l.Holders), func(h Holder) bool { return s.needed(h, alive) })
		if len(gone) == len(l.Holders) {
			dead = append(dead, l)
			continue
		}
		for _, h := range gone {
			if err := s.drop(l, h); err != nil {
				return nil, err
			}
			l.Holders = slices.DeleteFunc(l.Holders, func(o Holder) bool { return o == h })
		}
	}
	return s.free(dead)
}

// free removes the leases whose ranges no process uses.
func (s *Store) free(dead []Lease) ([]Range, error) {
	if len(dead) == 0 {
		return nil, nil
	}
	ranges := make([]Range, len(dead))
	for i, l := range dead {
		ranges[i] = l.Range
	}
	users, err := usedRanges(ranges)
	if err != nil {
		return nil, err
	}
	var freed []Range
	for i, l := range dead {
		if users[i] != 0 {
			continue
		}
		if err := s.remove(l.Range.String() + leaseSuffix); err != nil {
			return freed, err
		}
		freed = append(freed, l.Range)
		for _, h := range l.Holders {
			if err := s.unindex(h.Root, h.ID); err != nil {
				return freed, err
			}
		}
	}
	return freed, nil
}

// needed tells whether the holder's create is under way or its container exists.
func (s *Store) needed(h Holder, alive func(Holder) bool) bool {
	start, dead, err := processStart(h.PID)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH):
	case err != nil:
		return true
	case start == h.StartTime && !dead:
		return true
	}
	return alive == nil || alive(h)
}

// processStart reads field 22 of /proc/PID/stat, and whether the process has ended and only waits for its parent. The
// command in field 2 may contain blanks and parentheses, so fields are counted from the last parenthesis.
func processStart(pid int) (start uint64, dead bool, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return 0, false, fmt.Errorf("parse /proc/%d/stat: %d fields", pid, len(fields))
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return start, fields[0] == "Z" || fields[0] == "X", err
}

// usedRanges returns, for each range, a process that uses one of its IDs, or 0.
func usedRanges(ranges []Range) ([]int, error) {
	users := make([]int, len(ranges))
	for range 2 {
		pids, err := processes()
		if err != nil {
			return nil, err
		}
		for _, pid := range pids {
			used, err := processIDs(pid)
			if err != nil {
				return nil, err
			}
			for i, r := range ranges {
				if users[i] == 0 && slices.ContainsFunc(used, r.Overlaps) {
					users[i] = pid
				}
			}
		}
	}
	return users, nil
}

func processes() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// processIDs are the host IDs of one process: its user, group and supplementary group IDs, and what its user namespace maps.
// A process that ended meanwhile has none.
func processIDs(pid int) ([]Range, error) {
	var used []Range
	for _, name := range []string{"status", "uid_map", "gid_map"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if name == "status" {
			used = append(used, statusIDs(data)...)
		} else {
			used = append(used, mapIDs(data)...)
		}
	}
	return used, nil
}

// statusIDs reads the Uid, Gid and Groups lines of proc_pid_status(5).
func statusIDs(data []byte) []Range {
	var ids []Range
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(line, ":")
		if name != "Uid" && name != "Gid" && name != "Groups" {
			continue
		}
		for _, f := range strings.Fields(rest) {
			if id, err := strconv.ParseUint(f, 10, 32); err == nil {
				ids = append(ids, Range{Start: uint32(id), Size: 1})
			}
		}
	}
	return ids
}

// mapIDs reads the host's side of a uid_map. The map of the host's own user namespace is 0 0 4294967295: that everything is
// mapped there says nothing. A reader in another user namespace sees host IDs in its own terms (user_namespaces(7)).
func mapIDs(data []byte) []Range {
	var ids []Range
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		start, err := strconv.ParseUint(f[1], 10, 32)
		size, err2 := strconv.ParseUint(f[2], 10, 32)
		if err == nil && err2 == nil && size != noID {
			ids = append(ids, Range{Start: uint32(start), Size: uint32(size)})
		}
	}
	return ids
}
