package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

func TestBehindDashes(t *testing.T) {
	for line, want := range map[string]bool{
		"bulkheadctl seccomp record -- true":     true,
		"bulkheadctl seccomp record true":        false,
		"bulkheadctl seccomp record -o f -- a b": true,
		"a":                                      false,
	} {
		words := strings.Fields(line)
		n := 1
		if i := slices.Index(words, "--"); i >= 0 {
			n = len(words) - i - 1
		}
		if got := behindDashes(words, n); got != want {
			t.Errorf("%s: got %t", line, got)
		}
	}
}

func TestFileName(t *testing.T) {
	for in, want := range map[string]string{
		"web": "web", "../../etc/x": "_.._etc_x", ".hidden": "hidden", "docker.io/library/nginx:1": "docker.io_library_nginx_1",
		"": "recording", "...": "recording", strings.Repeat("a", 300): strings.Repeat("a", 128),
	} {
		if got := fileName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestRecordingFileNotOverAnother(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	got, err := newRecordingFile(container.RecordRequest{RecordOptions: container.RecordOptions{File: file}})
	if err != nil || got != file {
		t.Fatalf("got %q, %v", got, err)
	}
	_, err = newRecordingFile(container.RecordRequest{RecordOptions: container.RecordOptions{File: file}})
	if want := "make recording: open " + file + ": file exists"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestChooseRecorder(t *testing.T) {
	all := []recorderEntry{
		{PID: 1, Name: "web", Container: "abc1", File: "/1"}, {PID: 2, Name: "abc2", Container: "abc2", File: "/2"}, {PID: 3, Name: "web2", Container: "abc2", File: "/3"},
	}
	for _, test := range []struct {
		name string
		pid  int
		err  string
	}{
		{"web", 1, ""}, {"abc1", 1, ""}, {"web2", 3, ""}, {"abc1x", 0, `find recording "abc1x": nothing of that name is being recorded`},
		{"abc2", 0, `find recording "abc2": more than one is meant (/2, /3)`}, {"ab", 0, `find recording "ab": more than one is meant (/1, /2, /3)`},
		{"", 0, `find recording "": nothing of that name is being recorded`},
	} {
		e, err := chooseRecorder(all, test.name)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if e.PID != test.pid || text != test.err {
			t.Errorf("%q: got %d, %q", test.name, e.PID, text)
		}
	}
}

// TestRecorders passes over what a killed recorder left, and takes it away.
func TestRecorders(t *testing.T) {
	dir := t.TempDir()
	e, err := enterRecorder(dir, recorderEntry{PID: os.Getpid(), Name: "one", Container: "c", File: "/f"})
	if err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(recordersDir(dir), "4194305.json")
	if err := os.WriteFile(stale, []byte(`{"pid":4194305,"start":7,"name":"two"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := recorders(dir)
	if err != nil || len(all) != 1 || all[0].Name != "one" || all[0].Start != processStart(os.Getpid()) {
		t.Errorf("got %+v, %v", all, err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("the entry of a killed recorder is still there")
	}
	if err := e.leave(); err != nil {
		t.Error(err)
	}
	if all, err := recorders(dir); err != nil || len(all) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
}

func TestInstallPlanRecorder(t *testing.T) {
	for _, test := range []struct {
		name, profile string
		want          map[string]string
		err           string
	}{
		{"bulkhead", "", map[string]string{"bulkhead": "/usr/bin/bulkhead", "bulkhead-record": "/usr/bin/bulkhead-record"}, ""},
		{"b", "restricted", map[string]string{"b": "/usr/bin/bulkhead", "b-restricted": "/usr/bin/bulkhead-restricted", "b-record-restricted": "/usr/bin/bulkhead-record-restricted"}, ""},
		{"bulkhead", "record", nil, "read --profile: a program called bulkhead-record records its containers; give the profile another name"},
	} {
		plan, err := installPlan(installAsk{binary: "/usr/bin/bulkhead", name: test.name, profile: test.profile, recorder: true})
		if test.err != "" {
			if err == nil || err.Error() != test.err {
				t.Errorf("got %v, want %s", err, test.err)
			}
			continue
		}
		if err != nil || len(plan.Names) != len(test.want) {
			t.Errorf("got %v, %v", plan.Names, err)
		}
		for name, path := range test.want {
			if plan.Paths[name] != path {
				t.Errorf("%s is %q, want %q", name, plan.Paths[name], path)
			}
		}
	}
}
