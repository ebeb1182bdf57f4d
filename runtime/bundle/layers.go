package bundle

import (
	"os"
	"runtime"
	"slices"
	"strings"
)

// Describe describes further open files as [Resolve] describes sources: the layers of the overlay that the root is on. They
// are told apart by the mounts that Resolve saw, so each must have been opened in the calling thread's mount namespace, on
// a mount that was there by then; one of which nothing can be said has an Err. Facts.Protected grows by what of the table
// the files touch and no source did.
//
// The error is the host's: a /proc that cannot be read.
func (r *Resolved) Describe(files []*os.File) ([]Source, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fds, err := openDescriptors()
	if err != nil {
		return nil, err
	}
	res := &resolver{fds: fds, mounts: r.mounts}
	defer res.close()
	found := make([]Source, len(files))
	for i, f := range files {
		found[i] = res.source(handle{path: f.Name(), file: f})
	}
	l := res.newLocator()
	defer l.close()
	l.look(found, Source{})
	patterns := slices.DeleteFunc(slices.Clone(r.table), func(p ProtectedPath) bool { return !strings.Contains(p.Path, "/*/") })
	known := r.Facts.Protected
	for _, p := range append(l.protect(l.expand(patterns)), l.shown(known)...) {
		if !slices.Contains(r.Facts.Protected, p) {
			r.Facts.Protected = append(r.Facts.Protected, p)
		}
	}
	return found, nil
}
