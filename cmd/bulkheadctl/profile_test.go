package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-runtime/bulkhead/cgroups/stats"
	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

func TestProfileCheck(t *testing.T) {
	tests := []struct{ name, text, want, err string }{
		{"build.json", `{"base": "default", "limits": {"pids": {"ceiling": 100000, "reason": "large builds"}}, "widened": {"limits": "the large builds start more"}}`,
			"FILE: valid, profile \"build\" based on \"default\"\n  wider than default in limits: the large builds start more\n", ""},
		{"build.json", "{\n  \"base\": \"none\"\n}", "", `FILE:2: base is "none", want one of compatible, default, restricted`},
		{"default.json", "{}", "", `FILE: name of the file: "default" is a built-in profile, a site's file of that name is never read`},
		{"build.conf", "{}", "", "check profile: FILE: is not called NAME.json"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), tt.name)
		writeFile(t, path, tt.text, 0o666)
		out, err := ctl(t, "profile", "check", path)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if want := strings.ReplaceAll(tt.want, "FILE", path); out != want {
			t.Errorf("got %q, want %q", out, want)
		}
		if want := strings.ReplaceAll(tt.err, "FILE", path); text != want {
			t.Errorf("got error %q, want %q", text, want)
		}
	}
}

// Every reason that a built-in profile has is shown.
func TestProfileShow(t *testing.T) {
	for _, name := range profiles.Names() {
		p, err := profiles.Builtin(name)
		must(t, err)
		var b strings.Builder
		writeProfile(&b, 1000, p)
		for _, e := range p.Capabilities {
			if !strings.Contains(b.String(), e.Name+" ") || !strings.Contains(b.String(), e.Reason) {
				t.Errorf("%s: %s is not shown with its reason", name, e.Name)
			}
		}
		if !strings.Contains(b.String(), p.Limits.Pids.Reason) || !strings.Contains(b.String(), p.Seccomp.Reason) {
			t.Errorf("%s: reasons are missing:\n%s", name, b.String())
		}
	}
}

func TestWriteProfiles(t *testing.T) {
	var b strings.Builder
	writeProfiles(&b, 80, []profileLine{
		{Name: "default", Description: "Images run.", Selected: true},
		{Name: "build", Description: "Builds.", Base: "default", Widened: []string{"limits"}},
		{Name: "bad", Problem: "line 3: no"},
	})
	golden(t, b.String(), `
default  Images run. (applies when nobody chooses)
build    Builds. Based on default. Wider than its base in: limits.
bad      cannot be used: line 3: no
`)
}

func TestWriteLeases(t *testing.T) {
	var b strings.Builder
	r := userns.Range{Start: 100000, Size: 65536}
	writeLeases(&b, leaseReport{
		Leases: []userns.Lease{{Range: r, Holders: []userns.Holder{{Root: "/run/a", ID: "x"}, {Root: "/run/a", ID: "y"}}}},
		Pools:  []userns.Range{{Start: 100000, Size: 131072}}, Reclaimed: []userns.Range{{Start: 165536, Size: 65536}},
	})
	golden(t, b.String(), `
reclaimed 165536+65536
100000+65536        x (in /run/a), y (in /run/a)
1 lease of 65536 IDs; the pools have 131072
`)
}

func TestWriteStats(t *testing.T) {
	var b strings.Builder
	writeStats(&b, 100, "web1", stats.Stats{
		Pids: stats.Amount{Used: 3, Limit: 100}, Memory: stats.Amount{Used: 64 << 20, Peak: 80 << 20, Limit: 128 << 20}, OOMKills: 2,
		CPU: stats.CPU{Used: 1500 * time.Millisecond, Quota: 50 * time.Millisecond, Period: 100 * time.Millisecond, Periods: 10, Throttled: 2, Waited: time.Second},
	})
	golden(t, b.String(), `
container          web1
processes          3 of at most 100 (3 %)
memory             64.0 MiB of at most 128.0 MiB (50 %), highest 80.0 MiB
swap               0 bytes
killed for memory  2
cpu                1.5s used, at most 0.5 CPUs, held up in 2 of 10 periods for 1s
`)
}

func TestWriteRules(t *testing.T) {
	var b strings.Builder
	writeRules(&b, 60, []ruleLine{{"user", "Who it runs as.", []string{"process.user.uid", "process.user.gid", "process.user.umask"}}})
	golden(t, b.String(), `
user
    Who it runs as.
    decides process.user.uid, process.user.gid,
            process.user.umask
`)
}

// Every command says what it is for.
func TestEveryCommandHasHelp(t *testing.T) {
	app := newApp()
	app.Writer = io.Discard
	for _, c := range app.Commands {
		if c.Usage == "" {
			t.Errorf("%s has no usage", c.Name)
		}
		for _, s := range c.Subcommands {
			if s.Usage == "" {
				t.Errorf("%s %s has no usage", c.Name, s.Name)
			}
			if out, err := ctl(t, c.Name, s.Name, "--help"); err != nil || !strings.Contains(out, s.Usage) {
				t.Errorf("%s %s --help: %v\n%s", c.Name, s.Name, err, out)
			}
		}
		if out, err := ctl(t, c.Name, "--help"); err != nil || !strings.Contains(out, c.Usage) {
			t.Errorf("%s --help: %v\n%s", c.Name, err, out)
		}
	}
}
