package integration

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestForeignState has something else than a container of ours below --root. Every command says so in one line, and what
// is not ours stays as it is.
func TestForeignState(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	for _, c := range []struct {
		name, script string
		// ours is true for what a crash of the runtime itself may leave: delete --force removes it.
		ours bool
	}{
		{"runc", `mkdir "$1"; echo '{"id":"x","init_process_pid":1}' >"$1/state.json"; mkfifo "$1/exec.fifo"`, false},
		{"file", `echo precious >"$1"`, false},
		{"link", `mkdir "$1.real"; echo precious >"$1.real/data"; ln -s "$1.real" "$1"`, false},
		{"link-to-ours", `mkdir "$1.real"; echo '{"version":1,"id":"other"}' >"$1.real/record.json"; ln -s "$1.real" "$1"`, false},
		{"dangling-link", `ln -s /nowhere/at/all "$1"`, false},
		{"empty-record", `mkdir "$1"; : >"$1/record.json"; : >"$1/lock"`, false},
		{"truncated-record", `mkdir "$1"; printf '{"version":1,"id":"x","bund' >"$1/record.json"; : >"$1/lock"`, false},
		{"newer-record", `mkdir "$1"; printf '{"version":99,"id":"%s"}' "$2" >"$1/record.json"; : >"$1/lock"`, false},
		{"record-of-another", `mkdir "$1"; echo '{"version":1,"id":"another"}' >"$1/record.json"; : >"$1/lock"`, false},
		{"record-is-a-directory", `mkdir -p "$1/record.json"`, false},
		{"record-is-a-fifo", `mkdir "$1"; mkfifo "$1/record.json"`, false},
		{"record-is-a-link", `mkdir "$1"; echo '{"version":1}' >"$1.data"; ln -s "$1.data" "$1/record.json"`, false},
		{"empty", `mkdir "$1"`, true},
		{"lock-only", `mkdir "$1"; : >"$1/lock"`, true},
		{"half-written", `mkdir "$1"; : >"$1/lock"; echo '{"vers' >"$1/record.json.new"`, true},
		{"half-made", `mkdir "$1"; : >"$1/lock"; printf '{"version":1,"id":"%s","creating":true,"creatorPid":1,"creatorStart":1}' "$2" >"$1/record.json"`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBundle(t, "bulkhead")
			t.Cleanup(func() { _ = os.RemoveAll(b.state) }) // before newBundle's own delete
			at := b.state + "/" + b.id
			must(t, run(t, exec.Command("sh", "-euc", `mkdir -p "$(dirname "$1")"; `+c.script, "sh", at, b.id)))
			before := tree(t, b.state)
			for _, command := range [][]string{
				createArgs(b), {"state", b.id}, {"start", b.id}, {"exec", b.id, "true"}, {"kill", b.id, "KILL"}, {"update", "--pids-limit", "5", b.id},
				{"pause", b.id}, {"ps", b.id}, {"delete", b.id}, {"delete", "--force", b.id},
			} {
				last := command[0] == "delete"
				if c.ours && (last || command[0] == "state") {
					continue
				}
				r := b.withFiles(t, command...)
				if c.name == "dangling-link" && command[0] == "delete" {
					continue // nothing is there that delete --force could mean, and it removes nothing
				}
				if r.code == 0 {
					t.Errorf("%s succeeded", strings.Join(command, " "))
				}
				plainError(t, strings.Join(command, " "), r)
				if n := strings.Count(strings.TrimSpace(r.stderr), "\n"); n > 0 {
					t.Errorf("%s says %d lines: %s", command[0], n+1, r)
				}
			}
			_ = b.try(t, "list")
			if !c.ours {
				equal(t, "the directory", tree(t, b.state), before)
				return
			}
			b.do(t, "delete", "--force", b.id)
			equal(t, "what is left", strings.Join(dirNames(t, b.state), " "), "")
		})
	}
}

// tree describes all files of a directory.
func tree(t testing.TB, dir string) string {
	t.Helper()
	return must(t, run(t, exec.Command("find", dir, "-printf", "%p %y %m %s %l\n")))
}
