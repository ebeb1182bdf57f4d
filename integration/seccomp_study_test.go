package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp/generate"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// A finding is what the study found of a program.
type finding struct {
	program  studied
	recorded int
	// plain, exact and wide are the profiles: as generated, with --argument-rules, with --margin all.
	plain, exact, wide profileFound
	evidence           generate.Evidence
	warnings           []string
	// open and closed are coverage's numbers of calls and flaws: of the profile, of Docker's, of bulkhead's own.
	open, closed []int
	flaws        int
	// denied are calls of the held-out run that the plain and the exact profile denied and that no recording saw denied.
	denied, deniedExact []string
}

type profileFound struct {
	file                   string
	permitted, conditional int
}

// TestSeccompStudy records programs of the corpus through three lives, makes their profiles, and runs a fourth life, in another order and
// with other requests, with the profile enforced by Docker's own option: nothing may be denied. It writes docs/seccomp-results.md
// to BULKHEAD_STUDY_DOC. BULKHEAD_STUDY=full takes all programs, BULKHEAD_STUDY=name,name some of them.
func TestSeccompStudy(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd")
	d := recordingDocker(t)
	var found []finding
	for _, s := range studyPrograms() {
		t.Run(s.name, func(t *testing.T) { found = append(found, s.study(t, d)) })
	}
	text := studyText(t, d, found)
	t.Log("\n" + text)
	if path := os.Getenv("BULKHEAD_STUDY_DOC"); path != "" && !t.Failed() {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a report
			t.Fatal(err)
		}
	}
}

func (s studied) study(t *testing.T, d *docker) finding {
	f := finding{program: s}
	dir := t.TempDir()
	image := d.corpusImage(t, s.base)
	var files []string
	var recordings []*recording.Recording
	for i, steps := range runsOf[:len(runsOf)-1] {
		r := s.live(t, d, image, steps, 0, "")
		file := filepath.Join(dir, fmt.Sprintf("recording-%d.json", i+1))
		if err := recording.Write(file, r); err != nil {
			t.Fatal(err)
		}
		files, recordings = append(files, file), append(recordings, r)
	}
	f.recorded = len(recording.Merge(callsOf(recordings)...))
	var report generate.Report
	f.plain, report = generated(t, dir+"/plain.json", s.name, files)
	f.exact, _ = generated(t, dir+"/exact.json", s.name, files, "--argument-rules")
	f.wide, _ = generated(t, dir+"/wide.json", s.name, files, "--margin", "all")
	f.evidence, f.warnings = report.Evidence, report.Warnings
	f.cover(t)
	if f.plain.permitted > s.most {
		var names []string
		for _, c := range report.Calls {
			names = append(names, c.Name)
		}
		t.Errorf("the profile of %s leaves %d calls, want at most %d: %v", s.name, f.plain.permitted, s.most, names)
	}
	held := runsOf[len(runsOf)-1]
	f.denied = newDenials(recordings, s.live(t, d, image, held, 1, f.plain.file))
	if len(f.denied) > 0 {
		t.Errorf("the profile of %s denied in the held-out run: %v", s.name, f.denied)
	}
	t.Run("argument rules", func(t *testing.T) {
		f.deniedExact = newDenials(recordings, s.live(t, d, image, held, 1, f.exact.file))
	})
	return f
}

// live is a container's life: it starts, goes through the steps, and is stopped. It is recorded, also under a profile.
func (s studied) live(t *testing.T, d *docker, image string, steps []string, variant int, profile string) *recording.Recording {
	t.Helper()
	options := slices.Clone(s.options)
	if profile != "" {
		options = append(options, "--security-opt", "seccomp="+profile)
	}
	id := d.container(t, slices.Concat(options, []string{image}, s.command)...)
	for _, step := range steps {
		s.steps[step](t, d, id, variant)
	}
	d.do(t, "stop", "-t", "60", id)
	r := completeRecording(t, recordingFile(t, id))
	if r.Losses.Lost() {
		t.Errorf("the recording has losses: %+v", r.Losses)
	}
	return r
}

func callsOf(recordings []*recording.Recording) [][]recording.Call {
	var lists [][]recording.Call
	for _, r := range recordings {
		lists = append(lists, r.Calls)
	}
	return lists
}

// newDenials names the calls that were denied in a run and in no recording: those were denied by the hardening profile, whatever the
// generated one says.
func newDenials(recordings []*recording.Recording, run *recording.Recording) []string {
	usual := map[string]bool{}
	for _, c := range recording.Merge(callsOf(recordings)...) {
		usual[c.Name] = c.Denied > 0
	}
	var names []string
	for _, c := range run.Calls {
		if c.Denied > 0 && !usual[c.Name] {
			names = append(names, fmt.Sprintf("%s (%d)", c.Name, c.Denied))
		}
	}
	slices.Sort(names)
	return names
}

// generated has bulkheadctl make a profile.
func generated(t *testing.T, file, name string, recordings []string, options ...string) (profileFound, generate.Report) {
	t.Helper()
	var out struct{ Report generate.Report }
	args := slices.Concat([]string{"seccomp", "generate", "--json", "--name", name, "--report", file + ".report", "-o", file}, options, recordings)
	if err := json.Unmarshal([]byte(must(t, run(t, ctl(t, args...)))), &out); err != nil {
		t.Fatal(err)
	}
	return profileFound{file, out.Report.Permitted, out.Report.Conditional}, out.Report
}

// cover has bulkheadctl compare the profile with Docker's and with bulkhead's own.
func (f *finding) cover(t *testing.T) {
	t.Helper()
	var out struct {
		Open, Closed []int
		CVEs         []any
	}
	if err := json.Unmarshal([]byte(must(t, run(t, ctl(t, "seccomp", "coverage", "--json", f.plain.file)))), &out); err != nil {
		t.Fatal(err)
	}
	f.open, f.closed, f.flaws = out.Open, out.Closed, len(out.CVEs)
}
