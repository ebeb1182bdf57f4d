package integration

import (
	"os"

	"path/filepath"
	"strings"
	"testing"
)

// A guestWork is what a guest is booted for.
type guestWork struct {
	suite string
	// run is a -test.run pattern, prepare a shell command that comes before it, env what is exported besides.
	run, prepare string
	env          []string
	images       []string
}

// TestGuest runs tests of this package in virtual machines with a kernel of the distribution's, systemd, cgroup v2 and AppArmor, and
// gives their results as its own. BULKHEAD_GUEST_RUN replaces what is run, BULKHEAD_GUEST_SUITES the suites.
func TestGuest(t *testing.T) {
	requireRoot(t)
	suites := "sid"
	if s := os.Getenv("BULKHEAD_GUEST_SUITES"); s != "" {
		suites = s
	}
	for _, suite := range strings.Split(suites, ",") {
		t.Run(suite, func(t *testing.T) {
			w := guestWork{suite: suite, run: "TestCLI", images: []string{"busybox"}}
			if s := os.Getenv("BULKHEAD_GUEST_RUN"); s != "" {
				w.run = s
			}
			w.prepare = os.Getenv("BULKHEAD_GUEST_PREPARE")
			if s := os.Getenv("BULKHEAD_TEST_RUNTIMES"); s != "" {
				w.env = append(w.env, "BULKHEAD_TEST_RUNTIMES="+s)
			}
			w.do(t)
		})
	}
}

// do boots a guest and replays the results of its tests as subtests.
func (w *guestWork) do(t *testing.T) {
	img := newGuestImage(t, w.suite)
	g := bootGuest(t, img, w.disk(t))
	var out guestOutput
	if err := out.read(g, func(gt *guestTest) { gt.replay(t, "") }); err != nil {
		t.Error(err)
	}
	for _, gt := range out.unfinished() {
		gt.replay(t, "")
	}
	if len(out.tests) == 0 {
		t.Error("no test ran in the guest")
	}
	if s := out.stray.String(); s != "" {
		t.Errorf("the guest says:\n%s", s)
	}
}

// disk packs the programs, this test program among them, its data, and the images.
func (w *guestWork) disk(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script, env := filepath.Join(dir, "run"), filepath.Join(dir, "env")
	text := "set -- " + shellQuote(w.prepare) + " -test.run " + shellQuote(w.run) + "\n" + strings.Replace(guestJobScript, `sh -c "$1"`, `sh -c "$1"; shift`, 1)
	for path, content := range map[string]string{script: text, env: "export " + strings.Join(append(w.env, "BULKHEAD_GUEST="+w.suite), " ") + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin := bulkheadBin(t)
	files := map[string]string{"run": script, "env": env, "bulkhead": bin, "bulkheadctl": filepath.Join(filepath.Dir(bin), "bulkheadctl"),
		"integration.test": self, "integration/testdata": "testdata"}
	for _, name := range w.images {
		files["images/"+name+".tar"] = imageTar(t, name)
	}
	disk := filepath.Join(dir, "job")
	guestJob(t, disk, files)
	return disk
}
