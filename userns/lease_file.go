package userns

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/internal/plainjson"
)

// The files of the store, all below its directory:
//
//	lock                 flock(2)ed for the length of one call
//	START+SIZE.json      one lease: its holders. The name alone takes the range, whatever the file contains
//	holders/HASH         a symlink from a holder (SHA-256 of root and ID) to the name of its lease
//	new                  the next version of a lease file, until it is renamed
//
// The lease files are the truth and the symlinks only find them: a symlink counts when the lease that it names has the
// holder. So that a crash between two steps is harmless, the symlink is made before its holder is written and removed after
// its holder is gone. Hence every holder in a lease file has its symlink, and a symlink too many says nothing.
const (
	leaseVersion = 1
	lockName     = "lock"
	newName      = "new"
	holdersDir   = "holders"
	leaseSuffix  = ".json"
	maxLease     = 4 << 20
)

var errNoLease = errors.New("no such lease")

// load reads one lease.
func (s *Store) load(r Range) (Lease, error) {
	name := r.String() + leaseSuffix
	data, err := s.read(name)
	if errors.Is(err, unix.ENOENT) {
		return Lease{}, errNoLease
	}
	var l Lease
	if err == nil {
		err = plainjson.Unmarshal(data, &l)
	}
	switch {
	case err != nil:
		return Lease{}, fmt.Errorf("read lease %q: %w", name, err)
	case l.Version != leaseVersion:
		return Lease{}, fmt.Errorf("read lease %q: version is %d, want %d", name, l.Version, leaseVersion)
	case l.Range != r:
		return Lease{}, fmt.Errorf("read lease %q: it is about %s", name, l.Range)
	case len(l.Holders) == 0:
		return Lease{}, fmt.Errorf("read lease %q: it has no holder", name)
	}
	return l, nil
}

// held finds the lease of a holder through its symlink, and reads that one file.
func (s *Store) held(root, id string) (Lease, bool, error) {
	buf := make([]byte, 64)
	n, err := unix.Readlinkat(s.dir, indexName(root, id), buf)
	if errors.Is(err, unix.ENOENT) {
		return Lease{}, false, nil
	}
	if err != nil {
		return Lease{}, false, fmt.Errorf("read index of %q: %w", id, err)
	}
	r, ok := leaseRange(string(buf[:n]))
	if !ok {
		return Lease{}, false, fmt.Errorf("read index of %q: %q names no lease", id, buf[:n])
	}
	l, err := s.load(r)
	if errors.Is(err, errNoLease) {
		return Lease{}, false, nil
	}
	if err != nil {
		return Lease{}, false, err
	}
	return l, l.find(root, id) >= 0, nil
}

// add writes the lease with one more holder, who is in no lease: a symlink of the holder's is a leftover.
func (s *Store) add(l Lease, h Holder) error {
	l.Holders = append(slices.Clone(l.Holders), h)
	if err := s.unindex(h.Root, h.ID); err != nil {
		return err
	}
	if err := unix.Symlinkat(l.Range.String()+leaseSuffix, s.dir, indexName(h.Root, h.ID)); err != nil {
		return fmt.Errorf("write index of %q: %w", h.ID, err)
	}
	return s.save(l)
}

// drop writes the lease without the holder, and removes it with its last one.
func (s *Store) drop(l Lease, h Holder) error {
	l.Holders = slices.DeleteFunc(slices.Clone(l.Holders), func(o Holder) bool { return o == h })
	var err error
	if len(l.Holders) == 0 {
		err = s.remove(l.Range.String() + leaseSuffix)
	} else {
		err = s.save(l)
	}
	if err != nil {
		return err
	}
	return s.unindex(h.Root, h.ID)
}

func (s *Store) unindex(root, id string) error { return s.remove(indexName(root, id)) }

// save replaces the lease file in one step. Nothing is synced: /run is a tmpfs, and after a power failure no container
// is left that a lease would protect.
func (s *Store) save(l Lease) error {
	name := l.Range.String() + leaseSuffix
	data, err := plainjson.Marshal(l, 512)
	if err != nil {
		return fmt.Errorf("write lease %q: %w", name, err)
	}
	if len(data) > maxLease {
		return fmt.Errorf("write lease %q: %w", name, errTooBig)
	}
	if err := s.remove(newName); err != nil {
		return err
	}
	f, err := s.open(newName, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return fmt.Errorf("write lease %q: %w", name, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = unix.Renameat(s.dir, newName, s.dir, name)
	}
	if err != nil {
		return fmt.Errorf("write lease %q: %w", name, err)
	}
	return nil
}

func (s *Store) read(name string) ([]byte, error) {
	f, err := s.open(name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	if info.Size() > maxLease {
		return nil, errTooBig
	}
	var b bytes.Buffer
	b.Grow(int(info.Size()) + bytes.MinRead)
	_, err = b.ReadFrom(io.LimitReader(f, maxLease))
	return b.Bytes(), err
}

// remove removes a file or symlink; that there is none is no error.
func (s *Store) remove(name string) error {
	err := unix.Unlinkat(s.dir, name, 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove %q from the leases: %w", name, err)
	}
	return nil
}

// taken lists the ranges that have a lease, sorted, from the file names alone. Foreign names are ignored.
func (s *Store) taken() ([]Range, error) {
	f, err := s.open(".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	taken := make([]Range, 0, len(names))
	for _, n := range names {
		if r, ok := leaseRange(n); ok {
			taken = append(taken, r)
		}
	}
	sortByStart(taken)
	return taken, nil
}

func leaseRange(name string) (Range, bool) {
	base, ok := strings.CutSuffix(name, leaseSuffix)
	if !ok {
		return Range{}, false
	}
	return parseRange(base)
}

func indexName(root, id string) string {
	sum := sha256.Sum256([]byte(root + "\x00" + id))
	return holdersDir + "/" + hex.EncodeToString(sum[:])
}
