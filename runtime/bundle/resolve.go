package bundle

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Options are what [Resolve] must be told.
type Options struct {
	// Protected is the table of protected host paths: Path, Class and Why of each. An element "*" in a path stands for
	// the names on this host that a source can touch. Paths that this host does not have are dropped. Resolve appends to it.
	Protected []ProtectedPath
	// StateDir is the runtime's own state. It is protected with class "refused". Empty for none.
	StateDir string
	// Mounted are the elements of spec.Mounts whose sources the runtime has mounted itself: [Source.Overlay].
	Mounted []int
	// Sibling tells which bulkhead container has a user namespace, by the namespace's inode. Nil for none.
	Sibling func(userNamespace uint64) (id string, r Range, ok bool)
}

// Resolved is what a spec's paths and namespaces resolved to: facts, and the open files that the facts describe.
type Resolved struct {
	Facts Facts

	sources    []*os.File
	root       *os.File
	namespaces []*os.File
	// table and mounts are what the facts were made with; see Describe.
	table  []ProtectedPath
	mounts *mountTable
}

// Resolve opens the root, the bind sources and the namespaces that a spec names, once, and describes them from their
// descriptors. Symbolic links are followed as mount(2) would: what counts is what was opened. A source or a namespace
// that cannot be opened is a fact (its Err), not an error. The error is the host's: a /proc that cannot be read.
//
// Nothing on the host changes. dir is the bundle. The caller closes the result.
func Resolve(spec *specs.Spec, dir string, o Options) (*Resolved, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("resolve bundle: %w", plain(err))
	}
	r := &Resolved{}
	if err := r.resolve(spec, dir, o); err != nil {
		r.Close()
		return nil, fmt.Errorf("resolve bundle %q: %w", dir, err)
	}
	return r, nil
}

func (r *Resolved) resolve(spec *specs.Spec, dir string, o Options) error {
	// The calling thread may have a mount namespace of its own.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// First everything is opened, then mountinfo is read: the mount of each open file is in it.
	files := r.open(spec, dir)
	res, err := newResolver()
	if err != nil {
		return err
	}
	defer res.close()
	r.Facts.Root = res.source(files.root)
	r.Facts.Sources = make([]Source, len(files.sources))
	for i, s := range files.sources {
		r.Facts.Sources[i] = res.source(s)
	}
	for _, i := range o.Mounted {
		r.Facts.Sources[i].Overlay = true
	}
	l := res.newLocator()
	defer l.close()
	r.mounts = res.mounts
	r.table = append(append(o.Protected, ownState(o.StateDir)...), engineRoots(dir, r.Facts.Root, res.overlayUpper(files.root))...)
	l.look(r.Facts.Sources, r.Facts.Root)
	r.Facts.Protected = l.protect(l.expand(r.table))
	if err := r.resolveNamespaces(spec, o); err != nil {
		return err
	}
	r.Facts.Kernel = probeKernel(spec)
	r.Facts.OwnUIDs, r.Facts.OwnGIDs, err = OwnIDs()
	return err
}

// opened are the open files of a spec, not yet described.
type opened struct {
	root    handle
	sources []handle
}

func (r *Resolved) open(spec *specs.Spec, dir string) opened {
	var o opened
	if spec.Root != nil {
		o.root = openPath(absolute(dir, spec.Root.Path), true)
		r.root = o.root.file
	}
	o.sources = make([]handle, len(spec.Mounts))
	r.sources = make([]*os.File, len(spec.Mounts))
	for i, m := range spec.Mounts {
		if IsBind(m) {
			o.sources[i] = openPath(absolute(dir, m.Source), false)
			r.sources[i] = o.sources[i].file
		}
	}
	return o
}

// Source is the open file (O_PATH) of spec.Mounts[i].Source; nil when the mount binds nothing or it could not be
// opened. A file whose fact has an Err must not be used. It belongs to r.
func (r *Resolved) Source(i int) *os.File { return at(r.sources, i) }

// Root is the open directory (O_PATH) of root.path; nil when it could not be opened. It belongs to r.
func (r *Resolved) Root() *os.File { return r.root }

// Namespace is the open file (O_RDONLY) of spec.Linux.Namespaces[i]; nil when it has no path or could not be opened.
// It belongs to r.
func (r *Resolved) Namespace(i int) *os.File { return at(r.namespaces, i) }

func at(files []*os.File, i int) *os.File {
	if i < 0 || i >= len(files) {
		return nil
	}
	return files[i]
}

// Close closes every open file. It may be called again.
func (r *Resolved) Close() {
	files := append(append([]*os.File{r.root}, r.sources...), r.namespaces...)
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
	r.root, r.sources, r.namespaces = nil, nil, nil
}
