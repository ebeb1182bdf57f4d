package manual

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

var update = flag.Bool("update", false, "write the manual pages")

const root = "../../.."

// TestManual holds the pages about the rules, the profiles and the configuration file to their definitions.
func TestManual(t *testing.T) {
	for name, write := range map[string]func(string) ([]byte, error){
		"bulkhead-rules.7": Rules, "bulkhead-profiles.5": Profiles, "bulkhead.json.5": Configuration,
	} {
		page, err := write(root)
		if err != nil {
			t.Fatal(err)
		}
		if err := Compare(filepath.Join(root, "man", name), page, *update); err != nil {
			t.Error(err)
		}
	}
}

// TestManualIsComplete has every rule and every property in the page about the rules.
func TestManualIsComplete(t *testing.T) {
	page, err := Rules(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range harden.Rules {
		if !strings.Contains(string(page), "\n.SS "+escape(r.ID)+"\n") {
			t.Errorf("bulkhead-rules(7) lacks the rule %q", r.ID)
		}
		for _, f := range r.Fields {
			if !strings.Contains(string(page), escape(f)) {
				t.Errorf("bulkhead-rules(7) lacks the property %q", f)
			}
		}
	}
}

// TestManualLint asks mandoc, where there is one.
func TestManualLint(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "man", "*.[578]"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("find manual pages: %v", err)
	}
	for _, p := range pages {
		out, err := exec.Command("mandoc", "-Tlint", "-Wstyle", p).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

func TestInline(t *testing.T) {
	for text, want := range map[string]string{
		"use `--profile` here": `use \fB\-\-profile\fR here`,
		`a \ b`:                `a \e b`,
		"no mark":              "no mark",
	} {
		if got := inline(text); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
	if got := atStart(".so man1/x.1"); got != `\&.so man1/x.1` {
		t.Errorf("a line that begins with a dot gives %q", got)
	}
}

func TestCompare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.8")
	if err := Compare(path, []byte("new"), true); err != nil {
		t.Fatal(err)
	}
	if err := Compare(path, []byte("new"), false); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := `compare manual page "` + path + `": it is not what the definitions give; run make man`
	if err := Compare(path, []byte("new"), false); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
