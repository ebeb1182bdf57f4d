package integration

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/bulkhead-runtime/bulkhead"

// floors is the floor plan: imports point down only, never sideways and never up. docs/ARCHITECTURE.md has the same
// lines, and a package that is on no floor fails the test.
var floors = []struct {
	floor    int
	packages []string
}{
	{3, []string{"cmd", "integration", "tools"}},
	{2, []string{"runtime/container", "seccomp/record"}},
	{1, []string{"runtime/harden"}},
	{0, []string{"profiles", "seccomp", "userns", "cgroups", "rootview", "runtime/bundle"}},
	{-1, []string{"internal/plainjson"}},
}

// sole names the packages that alone may import a module: one writer per kernel object.
var sole = map[string][]string{
	"github.com/opencontainers/runc/": {"runtime/container", "cmd/bulkhead"},
	"github.com/hanwen/go-fuse/":      {"rootview/serve"},
}

// TestImportsPointDown parses the files itself: a test that runs `go list` is answered from the test cache and misses
// the change.
func TestImportsPointDown(t *testing.T) {
	imports := moduleImports(t)
	dirs := make([]string, 0, len(imports))
	for dir := range imports {
		dirs = append(dirs, dir)
	}
	sort.Strings(dirs)
	for _, dir := range dirs {
		from, home := floorOf(dir)
		if home == "" {
			t.Errorf("package %s is on no floor", dir)
			continue
		}
		for _, path := range imports[dir] {
			for prefix, owners := range sole {
				if strings.HasPrefix(path, prefix) && !within(dir, owners) {
					t.Errorf("%s imports %s: only %s may", dir, path, strings.Join(owners, " and "))
				}
			}
			to, ok := strings.CutPrefix(path, module+"/")
			if !ok {
				continue
			}
			floor, target := floorOf(to)
			if floor > from || floor == from && target != home {
				t.Errorf("%s (floor %d) imports %s (floor %d): imports point down only", dir, from, to, floor)
			}
		}
	}
}

// TestArchitectureHasTheFloors keeps the floor plan in the documentation true.
func TestArchitectureHasTheFloors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range floors {
		if line := fmt.Sprintf("| %d | %s |", f.floor, strings.Join(f.packages, ", ")); !strings.Contains(string(text), line) {
			t.Errorf("docs/ARCHITECTURE.md lacks the line that begins with %q", line)
		}
	}
}

// floorOf is the floor of a directory and the package of the plan that it belongs to.
func floorOf(dir string) (int, string) {
	best, floor := "", -2
	for _, f := range floors {
		for _, p := range f.packages {
			if within(dir, []string{p}) && len(p) > len(best) {
				best, floor = p, f.floor
			}
		}
	}
	return floor, best
}

func within(dir string, parents []string) bool {
	for _, p := range parents {
		if dir == p || strings.HasPrefix(dir, p+"/") {
			return true
		}
	}
	return false
}

// moduleImports maps each directory with Go files to what the files import, tests included.
func moduleImports(t *testing.T) map[string][]string {
	imports := map[string][]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != ".." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "dist") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel("..", filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			value, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports[dir] = append(imports[dir], value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports
}
