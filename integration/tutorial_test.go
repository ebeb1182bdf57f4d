package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// codeBlocks are the commands of a page, block by block.
func codeBlocks(t *testing.T, page string) []string {
	t.Helper()
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(readDoc(t, page), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no commands", page)
	}
	return blocks
}

// tutorialHost prepares the mount namespace of a dockerd for a tutorial: /etc and /var/lib/bulkhead of its own, the daemon's configuration where
// people have it, and programs in a directory of their own. It gives the variables of a shell.
func tutorialHost(t *testing.T, d *dockerd) []string {
	t.Helper()
	bin := t.TempDir()
	for _, name := range []string{"bulkhead", "bulkheadctl"} {
		must(t, run(t, exec.Command("cp", filepath.Join(filepath.Dir(bulkheadBin(t)), name), bin)))
	}
	pid := strconv.Itoa(d.cmd.Process.Pid)
	// systemd is not there: its unit does this on a reload. The daemon answers when it has read the file.
	reload := "#!/bin/sh\n[ \"$*\" = 'reload docker' ] && kill -HUP " + pid + " && sleep 1\n"
	if err := os.WriteFile(bin+"/systemctl", []byte(reload), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	d.putSite(t, siteFiles{})
	must(t, run(t, d.namespaced(`set -e; mkdir -p /etc/docker /var/lib/bulkhead; mount --bind "$1/etc" /etc/docker
		mv "$1/daemon.json" /etc/docker/daemon.json; ln -s etc/daemon.json "$1/daemon.json"
		mount -t tmpfs -o mode=700 tmpfs /var/lib/bulkhead`, d.dir)))
	return append(os.Environ(), "PATH="+bin+":"+filepath.Dir(d.client)+":"+os.Getenv("PATH"), "DOCKER_HOST=unix://"+d.socket(),
		"DOCKER_CONFIG="+d.dir+"/client", "DOCKER_CONTEXT=", "DOCKER_CLI_HINTS=false")
}

// namespaced runs a script in the daemon's mount and network namespaces.
func (d *daemon) namespaced(script string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-m", "-n", "-t", strconv.Itoa(d.cmd.Process.Pid), "--", "sh", "-c", script, "sh"}, args...)...)
}

// TestTutorialGenerate runs the commands of docs/tutorials/generate-a-profile.md, in their order, each block in a shell that stops at the
// first command that fails.
func TestTutorialGenerate(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "nsenter", "curl")
	d := startDockerd(t, map[string]any{"runtimes": map[string]any{}})
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	d.image(t, "nginx")
	env, work := tutorialHost(t, d), t.TempDir()
	for i, block := range codeBlocks(t, filepath.Join("..", "docs", "tutorials", "generate-a-profile.md")) {
		cmd := d.namespaced("set -eu; cd \"$1\"\n"+block, work)
		cmd.Env = env
		r := run(t, cmd)
		t.Logf("block %d:\n%s%s%s", i+1, block, r.stdout, r.stderr)
		if r.code != 0 {
			t.Fatalf("block %d ended with %d", i+1, r.code)
		}
	}
	var made struct{ Syscalls []any }
	text, err := os.ReadFile(work + "/web.json")
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil || len(made.Syscalls) == 0 {
		t.Errorf("the profile of the tutorial is %q: %v", text, err)
	}
}
