package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wholeCorpus is whether all images of the corpus are wanted, not only the few that every test run has.
func wholeCorpus() bool { return os.Getenv("BULKHEAD_CORPUS") == "full" }

// A corpusImage is a popular program with a work load.
type corpusImage struct {
	name string
	// small marks what every test run has.
	small bool
	// base is an image of [builds], or the recipe that the files of testdata/corpus are added to, in /corpus.
	base string
	// options are those of docker run, command what follows the image.
	options, command []string
	// load works with the running container and says in a few words what it did.
	load func(*testing.T, *docker, string)
	what string
	// restricted are the options that let it run under the profile restricted: a user and writable places. Without any,
	// unfit says why it cannot.
	restricted []string
	unfit      string
	// missing says why this host cannot make the image.
	missing func() string
}

// TestCorpus runs popular programs with real work loads under runc with Docker's profile and under bulkhead's profiles. What
// works under runc has to work under bulkhead's default profile. It prints a table and writes it to BULKHEAD_CORPUS_TABLE.
// BULKHEAD_CORPUS=full takes the whole corpus, BULKHEAD_CORPUS_ONLY=name,name a part of it.
func TestCorpus(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "ip", "iptables", "busybox", "debootstrap")
	d := dockerWith(t, "runc")
	recorder, err := newCallRecorder(d.cgroup)
	if err != nil {
		t.Logf("system calls are not counted on this host: %v", err)
	} else {
		defer func() {
			if err := recorder.close(); err != nil {
				t.Error(err)
			}
		}()
	}
	table := &corpusTable{counted: recorder != nil}
	for _, c := range corpus {
		if only := os.Getenv("BULKHEAD_CORPUS_ONLY"); only != "" && !slices.Contains(strings.Split(only, ","), c.name) || !c.small && !wholeCorpus() {
			continue
		}
		t.Run(c.name, func(t *testing.T) { table.rows = append(table.rows, c.run(t, d, recorder)) })
	}
	table.publish(t)
}

// run runs an image under each runtime, one after the other, for the machine may be small.
func (c corpusImage) run(t *testing.T, d *docker, recorder *callRecorder) corpusRow {
	row := corpusRow{image: c}
	if c.missing != nil {
		if row.missing = c.missing(); row.missing != "" {
			t.Skip(row.missing)
		}
	}
	image := d.corpusImage(t, c.base)
	for _, runtime := range []string{"runc", "bulkhead", "bulkhead-restricted"} {
		if runtime == "bulkhead-restricted" && c.unfit != "" {
			continue
		}
		r := corpusResult{runtime: runtime}
		if recorder != nil {
			recorder.take(t)
		}
		r.works = t.Run(runtime, func(t *testing.T) {
			options := slices.Clone(c.options)
			if runtime == "bulkhead-restricted" {
				options = slices.Concat(options, []string{"--read-only"}, c.restricted)
			}
			under := &docker{dockerd: d.dockerd, runtime: runtime}
			id := under.container(t, slices.Concat(options, []string{image}, c.command)...)
			c.load(t, under, id)
			under.do(t, "stop", "-t", "30", id)
		})
		if recorder != nil {
			r.made, r.denied = recorder.take(t)
		}
		row.results = append(row.results, r)
	}
	return row
}

// corpusImage makes sure that the daemon has an image with what the loads need, and gives its name.
func (d *dockerd) corpusImage(t testing.TB, base string) string {
	t.Helper()
	if _, ok := builds[base]; ok {
		return d.image(t, base)
	}
	name := "corpus-" + base
	d.images.Lock()
	defer d.images.Unlock()
	if d.loaded[name] {
		return name
	}
	b := build{from: base, lines: "COPY . /corpus/\nWORKDIR /\n", files: map[string]string{}}
	files, err := filepath.Glob("testdata/corpus/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata/corpus is empty: %v", err)
	}
	if base == "busybox" {
		files = append(files, nativePrograms(t)...)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b.files[filepath.Base(file)] = string(data)
	}
	d.build(t, name, b)
	d.loaded[name] = true
	return name
}
