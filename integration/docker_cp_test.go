package integration

import (
	"fmt"
	"strings"
	"testing"
)

// copyRounds is how many steps the random test takes; each is an operation inside or outside, followed by a look from the other side.
const copyRounds = 150

// TestDockerCopyRandom does the same random operations under each runtime, in a running container that writes all the time,
// some of them inside and some with docker cp, and compares everything that either side sees with what it sees under runc.
func TestDockerCopyRandom(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "runc", "ip", "iptables", "busybox")
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			copyRandom(t, dockerWith(t, "runc").dockerd, seed, copyRounds)
		})
	}
}

func copyRandom(t *testing.T, d *dockerd, seed uint64, rounds int) {
	t.Helper()
	want := copyTranscript(t, &docker{dockerd: d, runtime: "runc"}, seed, rounds)
	got := copyTranscript(t, &docker{dockerd: d, runtime: "bulkhead"}, seed, rounds)
	compareTranscripts(t, got, want)
}

func compareTranscripts(t *testing.T, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("step %d differs:\n%s\nunder runc:\n%s\nsteps before:\n%s", i, diffLines(got[i], want[i]), want[i],
				strings.Join(heads(want[max(0, i-12):i]), "\n"))
		}
	}
	equal(t, "steps", len(got), len(want))
}

// heads are the first lines of steps.
func heads(steps []string) []string {
	var lines []string
	for _, s := range steps {
		line, _, _ := strings.Cut(s, "\n")
		lines = append(lines, line)
	}
	return lines
}

// diffLines marks the lines that only one of two texts has.
func diffLines(got, want string) string {
	count := map[string]int{}
	for _, l := range strings.Split(want, "\n") {
		count[l]++
	}
	var out []string
	for _, l := range strings.Split(got, "\n") {
		if count[l]--; count[l] < 0 {
			out = append(out, "got  "+l)
		}
	}
	count = map[string]int{}
	for _, l := range strings.Split(got, "\n") {
		count[l]++
	}
	for _, l := range strings.Split(want, "\n") {
		if count[l]--; count[l] < 0 {
			out = append(out, "want "+l)
		}
	}
	return strings.Join(out, "\n")
}

// copyTranscript runs the operations of a seed and gives what each showed.
func copyTranscript(t *testing.T, d *docker, seed uint64, rounds int) []string {
	t.Helper()
	c := newCopied(t, d, seed)
	for range rounds {
		c.step(t)
	}
	c.note("inside at the end", c.inside(t))
	live := c.outside(t)
	c.note("outside at the end", live)
	c.sh.close(t)
	// The upper directory alone, through a mount of its own: what both sides wrote is there and nothing else.
	d.do(t, "stop", "-t", "0", c.id)
	equal(t, "files of the stopped container", c.outside(t), live)
	c.note("diff", c.sortedDiff(t))
	d.do(t, "start", c.id)
	c.sh = newShell(t, d.dockerd, c.id)
	c.note("inside after a restart", c.inside(t))
	c.note("outside after a restart", c.outside(t))
	c.sh.close(t)
	return c.transcript
}
