package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readyProgram is the source of a program that a container runs from then on when it is ready: it waits for the file that it is given,
// and then tells the service manager, with another main process as well, which a container has no say in.
const readyProgram = `
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
static void end(int s) { (void)s; _exit(0); }
int main(int argc, char **argv)
{
	static const char said[] = "STATUS=up\nREADY=1\nMAINPID=1\n";
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	signal(SIGTERM, end);
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (argc != 2 || !path || strlen(path) >= sizeof to.sun_path || s < 0)
		return 2;
	strcpy(to.sun_path, path);
	while (access(argv[1], F_OK))
		usleep(100000);
	if (sendto(s, said, sizeof said - 1, 0, (struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + strlen(path)) < 0)
		return 3;
	for (;;)
		pause();
}
`

// buildReady compiles it. A guest has no compiler and is given it.
func buildReady(t testing.TB) string {
	t.Helper()
	if path := guestProgram("ready"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "ready")
	cmd := exec.Command("gcc", "-Os", "-static", "-o", path, "-xc", "-")
	cmd.Stdin = strings.NewReader(readyProgram)
	must(t, run(t, cmd))
	return path
}

// podmanReady is readiness that the container itself tells, to a service manager that is this test. podman 4.3 has the runtime relay it, 5.8 has
// conmon do that, and which other words pass is then conmon's choice; but no container names a main process.
func podmanReady(t *testing.T, p *podman) {
	dir := t.TempDir()
	must(t, run(t, exec.Command("cp", buildReady(t), dir+"/ready")))
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/manager", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Cleanup(func() { p.do(t, "rm", "-f", "-i", "-t", "0", "note") })
	cmd := p.command(p.global(p.args("-d", "--name", "note", "--network", "none", "--sdnotify", "container", "-v", dir+":/go", "box",
		"sh", "-c", "touch /go/waiting; exec /go/ready /go/now")...)...)
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+dir+"/manager")
	done := make(chan result, 1)
	go func() { done <- run(t, cmd) }()
	eventually(t, "the program", func() error {
		select {
		case r := <-done:
			done <- r
			if r.code != 0 {
				t.Fatal(r)
			}
		default:
		}
		_, err := os.Stat(dir + "/waiting")
		return err
	})
	if err := os.WriteFile(dir+"/now", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, <-done)
	told := messages(t, manager)
	t.Logf("the service manager is told %q", told)
	equal(t, "it is ready", strings.Contains(told, "READY=1"), true)
	equal(t, "a main process by the container's word", strings.Contains(told, "MAINPID=1\n"), false)
	if p.ours() {
		checkHardened(t, p.pid(t, "note"))
	}
}

// messages are what a service manager is told, up to readiness.
func messages(t testing.TB, manager *net.UnixConn) string {
	t.Helper()
	var told strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(told.String(), "READY=1") {
		if err := manager.SetReadDeadline(time.Now().Add(deadline)); err != nil {
			t.Fatal(err)
		}
		n, err := manager.Read(buf)
		if err != nil {
			t.Fatalf("wait for readiness: %v; told so far: %q", err, told.String())
		}
		told.Write(append(buf[:n], '\n'))
	}
	return told.String()
}

// ready: the unit has started when the container says so, and not before; and the main process stays podman's word.
func (u *podmanUnits) ready(t *testing.T, unit func(testing.TB, podmanUnit) string) {
	dir, program := t.TempDir(), buildReady(t)
	note := unit(t, podmanUnit{
		name: "note", script: "touch /go/waiting; exec /ready /go/now",
		options: []string{"--network", "none", "-v", dir + ":/go", "-v", program + ":/ready:ro", "--sdnotify", "container"},
		keys:    []string{"Network=none", "Volume=" + dir + ":/go", "Volume=" + program + ":/ready:ro", "Notify=true"},
	})
	t.Cleanup(func() {
		_ = exec.Command("systemctl", "stop", note).Run()
		u.podman(t, "rm", "-f", "-i", "-t", "0", "note")
	})
	u.systemctl(t, "start", "--no-block", note)
	eventually(t, "the program", func() error { _, err := os.Stat(dir + "/waiting"); return err })
	equal(t, "state before it is ready", u.systemctl(t, "show", "-P", "ActiveState", note), "activating")
	if err := os.WriteFile(dir+"/now", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the start", func() error {
		if got := u.systemctl(t, "show", "-P", "ActiveState", note); got != "active" {
			return fmt.Errorf("is %s", got)
		}
		return nil
	})
	main := u.systemctl(t, "show", "-P", "MainPID", note)
	name, err := os.ReadFile("/proc/" + main + "/comm")
	t.Logf("main process %s is %s", main, name)
	equal(t, "error", err, nil)
	if main == "1" {
		t.Error("the container has named the main process")
	}
	id := u.podman(t, "inspect", "-f", "{{.Id}}", "note")
	u.hardened(t, u.pid(t, "note"))
	u.systemctl(t, "stop", note)
	u.nothingLeft(t, note, id)
}
