package userns

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A Holder is a container that may use a range, together with the process that creates it.
type Holder struct {
	// Root is the runtime's state directory (its --root flag): two engines may use the same ID below different roots.
	Root string `json:"root"`
	// ID of the container.
	ID string `json:"id"`
	// PID of the create process, and its start time in clock ticks since boot: /proc/PID/stat, field 22 (proc_pid_stat(5)).
	// Together they name one process, even after its PID is used again.
	PID       int    `json:"pid"`
	StartTime uint64 `json:"startTime"`
}

// A Lease is a range and those who share it: one container and the containers that joined its namespaces.
type Lease struct {
	Version int      `json:"version"`
	Range   Range    `json:"range"`
	Holders []Holder `json:"holders"`
}

// An ExhaustedError tells that no pool has room left. The host, not the request, is at fault.
type ExhaustedError struct {
	ID    string
	Size  uint32
	Pools []Range
	// Containers that hold IDs of the pools.
	Containers int
}

func (e *ExhaustedError) Error() string {
	names := make([]string, len(e.Pools))
	for i, p := range e.Pools {
		names[i] = p.String()
	}
	pool, is, s := "pool", "is", "s"
	if len(names) != 1 {
		pool, is = "pools", "are"
	}
	if e.Containers == 1 {
		s = ""
	}
	cause := fmt.Sprintf("%s %s %s used up by %d container%s", pool, strings.Join(names, ", "), is, e.Containers, s)
	if e.Containers == 0 {
		cause = fmt.Sprintf("%s %s %s too small", pool, strings.Join(names, ", "), is)
	}
	return fmt.Sprintf("lease %d IDs for %q: %s; widen %s and %s for %q", e.Size, e.ID, cause, subUID, subGID, Owner)
}

// ErrHeld is the cause of an error of Lease and Join when the container holds a range already.
var ErrHeld = errors.New("it holds a range already")

// ErrGone is the cause of an error of Join when nobody holds the range any more.
var ErrGone = errors.New("nobody holds it")

// Lease gives the holder a range of size IDs from the pools that nobody else has. It is exclusive among all processes
// that use the same directory, until Release or Reclaim.
//
// A holder that asks again gets the same range when it is the same process (same PID and start time), so create may retry. A
// second create of a container that exists, or is being created, is ErrHeld and changes nothing: the caller must then not
// release. What a dead create left behind is dropped first, and is an error while a process still uses the old range.
//
// When the pools are used up, Lease reclaims once (see Reclaim and Store.Alive) and then returns an *ExhaustedError.
func (s *Store) Lease(h Holder, size uint32, pools []Range) (Range, error) {
	var r Range
	h.Root = filepath.Clean(h.Root)
	err := s.change(h, func() error {
		l, again, err := s.settle(h)
		switch {
		case err != nil:
			return err
		case again && l.Range.Size != size:
			return fmt.Errorf("%w: %s", ErrHeld, l.Range)
		case again:
			r = l.Range
			return nil
		}
		r, err = s.pick(h, size, pools)
		return err
	})
	var full *ExhaustedError
	if err != nil && !errors.As(err, &full) {
		err = fmt.Errorf("lease %d IDs for %q: %w", size, h.ID, err)
	}
	if err != nil {
		return Range{}, err
	}
	return r, nil
}

// settle deals with what the holder has from an earlier call. It returns the lease when the same process asks again. What a
// dead create left behind is dropped, unless that would free a range that a process still uses.
func (s *Store) settle(h Holder) (Lease, bool, error) {
	l, ok, err := s.held(h.Root, h.ID)
	if err != nil || !ok {
		return Lease{}, false, err
	}
	old := l.Holders[l.find(h.Root, h.ID)]
	if old == h {
		return l, true, nil
	}
	if s.needed(old, s.Alive) {
		return Lease{}, false, fmt.Errorf("%w: %s", ErrHeld, l.Range)
	}
	if len(l.Holders) == 1 {
		users, err := usedRanges([]Range{l.Range})
		if err != nil {
			return Lease{}, false, err
		}
		if pid := users[0]; pid != 0 {
			return Lease{}, false, fmt.Errorf("its old range %s is still in use by process %d; delete the container first", l.Range, pid)
		}
	}
	return Lease{}, false, s.drop(l, old)
}

// pick takes a free range. It looks at file names only, so its cost does not grow with what the leases contain.
func (s *Store) pick(h Holder, size uint32, pools []Range) (Range, error) {
	taken, err := s.taken()
	if err != nil {
		return Range{}, err
	}
	r, ok := Find(pools, taken, size)
	if !ok {
		if _, err := s.reclaim(s.Alive); err != nil {
			return Range{}, err
		}
		if taken, err = s.taken(); err != nil {
			return Range{}, err
		}
		if r, ok = Find(pools, taken, size); !ok {
			return Range{}, s.exhausted(h, size, pools, taken)
		}
	}
	return r, s.add(Lease{Version: leaseVersion, Range: r}, h)
}

func (s *Store) exhausted(h Holder, size uint32, pools, taken []Range) error {
	n := 0
	for _, r := range taken {
		if !slices.ContainsFunc(pools, r.Overlaps) {
			continue
		}
		holders := 1
		if l, err := s.load(r); err == nil {
			holders = len(l.Holders)
		}
		n += holders
	}
	return &ExhaustedError{ID: h.ID, Size: size, Pools: pools, Containers: n}
}

// Join adds a holder to a range that is already leased: a container that enters another one's namespaces shares its user
// namespace. ErrGone when the lease ended meanwhile; as Lease when the holder has a range
// already. Joining twice from one process is no error.
func (s *Store) Join(h Holder, r Range) error {
	h.Root = filepath.Clean(h.Root)
	err := s.change(h, func() error {
		old, again, err := s.settle(h)
		switch {
		case err != nil:
			return err
		case again && old.Range != r:
			return fmt.Errorf("%w: %s", ErrHeld, old.Range)
		case again:
			return nil
		}
		l, err := s.load(r)
		if errors.Is(err, errNoLease) {
			return ErrGone
		}
		if err != nil {
			return err
		}
		return s.add(l, h)
	})
	if err != nil {
		return fmt.Errorf("join range %s for %q: %w", r, h.ID, err)
	}
	return nil
}

// Release ends what the container holds. The range is free again when its last holder is gone: the caller must have ended
// the container's processes before. Releasing what is not held is no error.
func (s *Store) Release(root, id string) error {
	root = filepath.Clean(root)
	err := s.locked(func() error {
		// Under the lock it is what a killed call left.
		if err := s.remove(newName); err != nil {
			return err
		}
		l, ok, err := s.held(root, id)
		if err != nil {
			return err
		}
		if !ok {
			return s.unindex(root, id)
		}
		return s.drop(l, l.Holders[l.find(root, id)])
	})
	if err != nil {
		return fmt.Errorf("release range of %q: %w", id, err)
	}
	return nil
}

// Lookup returns the range that the container holds; the bool is false when it holds none.
func (s *Store) Lookup(root, id string) (Range, bool, error) {
	root = filepath.Clean(root)
	var l Lease
	var ok bool
	err := s.locked(func() (err error) {
		l, ok, err = s.held(root, id)
		return err
	})
	if err != nil {
		return Range{}, false, fmt.Errorf("look up range of %q: %w", id, err)
	}
	if !ok {
		return Range{}, false, nil
	}
	return l.Range, true, nil
}

// List returns all leases, sorted by range. Files that are no lease are left out, and named in the error; the leases that
// could be read are returned with it.
func (s *Store) List() ([]Lease, error) {
	var leases []Lease
	err := s.locked(func() error {
		taken, err := s.taken()
		if err != nil {
			return err
		}
		var bad []error
		for _, r := range taken {
			l, err := s.load(r)
			if err != nil {
				bad = append(bad, err)
				continue
			}
			leases = append(leases, l)
		}
		return errors.Join(bad...)
	})
	if err != nil {
		err = fmt.Errorf("list leases: %w", err)
	}
	return leases, err
}

// find is the index of the holder in the lease, or -1.
func (l Lease) find(root, id string) int {
	return slices.IndexFunc(l.Holders, func(h Holder) bool { return h.Root == root && h.ID == id })
}
