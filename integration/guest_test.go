package integration

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A guestWork is what a guest is booted for.
type guestWork struct {
	name, suite string
	// run is a -test.run pattern, prepare a shell command that comes before the tests, env what is exported for them.
	run, prepare string
	env          []string
	images       []string
	// layered has images that the host makes for the guest.
	layered []layered
	// scratch is the size of a disk for /tmp, where all tests and engines work. Without one /tmp is as the distribution has it.
	scratch string
}

// guestEssence is what `make test` runs in guests: what cgroup v2, systemd, AppArmor, older kernels and unprivileged users are
// about, under bulkhead alone. guestWhole is what `make vm-test` runs: under runc as well, so that a failure is known to be ours. It
// is cut into works that each end within guestDeadline. A work's name is that of its suite, and after a dash what it does: the
// matrix puts all works of a suite into one column.
var (
	guestEssence = []guestWork{
		{name: "sid", suite: "sid", images: []string{"busybox"}, env: []string{"BULKHEAD_TEST_RUNTIMES=bulkhead"},
			run: "TestLSM|^TestRootless(" + rootlessMade + "|Essence)$|TestSystemdCgroup|^TestDocker$/bulkhead/(run|limits|grants|exec)/(hardened|asked|update-cannot-widen|default|apparmor-unconfined|privileged|confined)$|" +
				"^TestPodmanEngines$/5.8/bulkhead/(run|life)/(hardened|ready)$|TestCLI/bulkhead/(life-of-a-container|update|pause|events|delete)"},
		{name: "bookworm", suite: "bookworm", images: []string{"busybox"}, env: []string{"BULKHEAD_TEST_RUNTIMES=bulkhead"},
			run: "TestLSM|TestSystemdCgroup|^TestDocker$/bulkhead/(run|limits)/(hardened|asked)$|^TestPodmanEngines$/4.3/bulkhead/run/hardened$|" +
				"TestCLI/bulkhead/life-of-a-container"},
	}
	guestWhole = []guestWork{
		{name: "sid-docker-1", suite: "sid", images: guestDockerImages, run: guestDocker("bulkhead", guestDockerHalf)},
		{name: "sid-docker-2", suite: "sid", images: guestDockerImages, run: guestDocker("bulkhead", guestDockerRest)},
		{name: "sid-docker-runc-1", suite: "sid", images: guestDockerImages, run: guestDocker("runc", guestDockerHalf)},
		{name: "sid-docker-runc-2", suite: "sid", images: guestDockerImages, run: guestDocker("runc", guestDockerRest)},
		guestImages("sid"),
		{name: "sid", suite: "sid", images: []string{"busybox"}, run: "^(TestLSM|TestRootless(" + rootlessMade + ")|TestSystemdCgroup|TestCLI|TestPodman|TestContainerd|TestCRI|TestDockerCopyLife)$"},
		{name: "sid-rootless", suite: "sid", images: []string{"busybox"}, run: "^TestRootless(Podman|Docker)$"},
		{name: "sid-podman", suite: "sid", images: []string{"busybox"}, run: guestPodmanScenarios, env: []string{"BULKHEAD_TEST_RUNTIMES=bulkhead"}},
		{name: "sid-podman-runc", suite: "sid", images: []string{"busybox"}, run: guestPodmanScenarios, env: []string{"BULKHEAD_TEST_RUNTIMES=runc"}},
		{name: "sid-podman-units", suite: "sid", images: []string{"busybox"}, run: "^(TestPodmanUnits|TestPodmanCopy)$"},
		{name: "bookworm-docker-1", suite: "bookworm", images: guestDockerImages, run: guestDocker("bulkhead", guestDockerHalf)},
		{name: "bookworm-docker-2", suite: "bookworm", images: guestDockerImages, run: guestDocker("bulkhead", guestDockerRest)},
		{name: "bookworm-docker-runc-1", suite: "bookworm", images: guestDockerImages, run: guestDocker("runc", guestDockerHalf)},
		{name: "bookworm-docker-runc-2", suite: "bookworm", images: guestDockerImages, run: guestDocker("runc", guestDockerRest)},
		guestImages("bookworm"),
		{name: "bookworm", suite: "bookworm", images: []string{"busybox"}, run: "^(TestLSM|TestRootless(" + rootlessMade + ")|TestSystemdCgroup|TestCLI|TestPodman|TestContainerd|TestCRI)$"},
		{name: "bookworm-podman", suite: "bookworm", images: []string{"busybox"}, run: guestPodmanScenarios, env: []string{"BULKHEAD_TEST_RUNTIMES=bulkhead"}},
		{name: "bookworm-podman-runc", suite: "bookworm", images: []string{"busybox"}, run: guestPodmanScenarios, env: []string{"BULKHEAD_TEST_RUNTIMES=runc"}},
		{name: "bookworm-podman-units", suite: "bookworm", images: []string{"busybox"}, run: "^(TestPodmanUnits|TestPodmanCopy)$"},
	}
)

// rootlessMade are the tests in namespaces like those of a rootless engine: the ends of their names.
const rootlessMade = "|Limits|Controller|WithoutCgroup|Site|Explain|Doctor|Joined|Network"

// The scenarios of Docker by the first part of their names: two parts of about the same length. What needs the large image of services is
// in one of them: to import it takes an emulated processor some minutes.
const (
	guestDockerHalf = "files|network|lifecycle|refused|narrowed|namespaces|attach|logs|daemon"
	guestDockerRest = "run|exec|limits|grants|profiles|services|compose"
)

// guestImages is the work with large images, under both runtimes.
func guestImages(suite string) guestWork {
	return guestWork{name: suite + "-images", suite: suite, images: []string{"busybox"}, layered: []layered{largeImage}, scratch: "20G",
		run: "^TestDocker$/^(bulkhead|runc)$/^images$/", env: []string{"BULKHEAD_TEST_MATRIX=1"}}
}

// guestPodmanScenarios are those of podman, for the runtime that the work names.
const guestPodmanScenarios = "^TestPodmanEngines$"

var guestDockerImages = []string{"busybox", "services"}

func guestDocker(runtime, groups string) string {
	return "^TestDocker$/^" + runtime + "$/^(" + groups + ")$/"
}

// TestGuestDockerIsWhole: the works have every group of scenarios, so that none is left out in guests.
func TestGuestDockerIsWhole(t *testing.T) {
	groups := strings.Split(guestDockerHalf+"|"+guestDockerRest+"|images", "|")
	for _, s := range scenarios() {
		if group, _, _ := strings.Cut(s.name, "/"); !slices.Contains(groups, group) {
			t.Errorf("scenario %q runs in no guest", s.name)
		}
	}
}

// TestGuest runs tests of this package in virtual machines with a kernel of the distribution's, systemd, cgroup v2 and AppArmor, and
// gives their results as its own. For work on a guest, BULKHEAD_GUEST_RUN replaces what is run, BULKHEAD_GUEST_PREPARE is a
// command to run before it.
func TestGuest(t *testing.T) {
	requireRoot(t)
	if os.Getenv("BULKHEAD_GUEST") != "" {
		t.Skip("this is a guest")
	}
	works := guestEssence
	if os.Getenv("BULKHEAD_GUEST_FULL") != "" {
		works = guestWhole
	}
	slots := make(chan struct{}, guestSlots(t))
	for _, w := range works {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			t.Cleanup(func() { <-slots })
			if run := os.Getenv("BULKHEAD_GUEST_RUN"); run != "" {
				w.run = run
			}
			if prepare := os.Getenv("BULKHEAD_GUEST_PREPARE"); prepare != "" {
				w.prepare = prepare
			}
			if list := os.Getenv("BULKHEAD_TEST_RUNTIMES"); list != "" {
				w.env = append(w.env, "BULKHEAD_TEST_RUNTIMES="+list)
			}
			w.do(t)
		})
	}
}

// guestSlots is how many guests run at once: go test has one for each processor, if there is memory for them.
func guestSlots(t testing.TB) int {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	total := info.Totalram * uint64(info.Unit) / (1 << 20)
	return int(max(1, total/2/guestMemory)) //nolint:gosec // some hundred at most
}

// do boots a guest and replays the results of its tests as subtests.
func (w *guestWork) do(t *testing.T) {
	img := newGuestImage(t, w.suite)
	g := bootGuest(t, img, w.disk(t), w.scratch)
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
	for path, content := range map[string]string{
		script: "prepare=" + shellQuote(w.prepare) + " run=" + shellQuote(w.run) + guestJobScript,
		env:    "export " + strings.Join(append(w.env, "BULKHEAD_GUEST="+w.suite), " ") + "\n",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin := bulkheadBin(t)
	files := map[string]string{"run": script, "env": env, "bulkhead": bin, "bulkheadctl": filepath.Join(filepath.Dir(bin), "bulkheadctl"),
		"bulkhead-view":    filepath.Join(filepath.Dir(bin), "bulkhead-view"),
		"integration.test": self, "integration/testdata": "testdata", "profiles/data": filepath.Join("..", "profiles", "data")}
	if strings.Contains(w.run, "TestContainerd") || strings.Contains(w.run, "TestCRI") {
		maps.Copy(files, guestPrograms(t))
	}
	if strings.Contains(w.run, "TestPodman") {
		files["programs/ready"], files["deploy/podman"] = buildReady(t), "../deploy/podman"
	}
	for _, name := range w.images {
		files["images/"+name+".tar"] = imageTar(t, name)
	}
	for _, l := range w.layered {
		path := filepath.Join(dir, l.String())
		l.write(t, path)
		files["images/"+l.String()+".tar"] = path
	}
	disk := filepath.Join(dir, "job")
	guestJob(t, disk, files)
	return disk
}
