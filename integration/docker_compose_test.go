package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// composeFile is an application of three services: a page that is made by asking an interface by name, which has a secret
// and waits for a healthy store with a volume.
const composeFile = `
services:
  web:
    image: busybox
    runtime: %[1]s
    command: ["sh", "-c", "mkdir /www; until wget -q -O /www/index.html http://api/token; do sleep 0.2; done; exec httpd -f -p 80 -h /www"]
    ports: ["127.0.0.1::80"]
    depends_on: [api]
    read_only: true
    tmpfs: [/www]
  api:
    image: busybox
    runtime: %[1]s
    init: true
    command: ["sh", "-c", "mkdir /www; cp /run/secrets/token /www/token; exec httpd -f -p 80 -h /www"]
    secrets: [token]
    depends_on:
      store: {condition: service_healthy}
  store:
    image: redis
    runtime: %[1]s
    cap_drop: [NET_RAW]
    mem_limit: 64m
    volumes: ["data:/data"]
secrets:
  token: {file: ./token}
volumes:
  data: {}
`

// Compose from Debian: the plugin where there is one, else the program of the time before.
var composeScenarios = []scenario{
	{"compose/three-services", false, func(t *testing.T, d *docker) {
		d.image(t, "redis")
		compose := d.compose(t, "app-"+d.runtime, composeFile)
		compose("up", "-d")
		_, port, _ := strings.Cut(compose("port", "web", "80"), ":")
		equal(t, "page", d.get(t, "http://127.0.0.1:"+port+"/"), "the token")
		equal(t, "runtimes", d.do(t, "inspect", "-f", "{{.HostConfig.Runtime}}", compose("ps", "-q", "api")), d.runtime)
		equal(t, "answer of exec", compose("exec", "-T", "store", "redis-cli", "set", "k", "kept"), "OK")
		compose("restart", "store")
		d.waitHealth(t, compose("ps", "-q", "store"), "healthy")
		equal(t, "after a restart", compose("exec", "-T", "store", "redis-cli", "get", "k"), "kept")
		if logs := compose("logs", "store"); !strings.Contains(logs, "Ready to accept connections") {
			t.Errorf("log of the store is %q", logs)
		}
		compose("stop", "web")
		compose("up", "-d")
		compose("down", "-v")
		for _, list := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}, {"volume", "ls", "-q"}} {
			equal(t, "left behind in docker "+list[0], d.do(t, append(list, "--filter", "label=com.docker.compose.project=app-"+d.runtime)...), "")
		}
	}},
	{"compose/configs", false, func(t *testing.T, d *docker) {
		if d.composeCommand()[0] == "docker-compose" {
			t.Skip("Compose 1 has no configs without a swarm")
		}
		compose := d.compose(t, "conf-"+d.runtime, `
services:
  job:
    image: busybox
    runtime: %[1]s
    user: app
    command: ["sh", "-c", "cat /etc/job.conf /run/inline; stat -c %%a /etc/job.conf"]
    configs:
      - {source: file, target: /etc/job.conf}
      - {source: inline, target: /run/inline}
configs:
  file: {file: ./token}
  inline: {content: "inline\n"}
`)
		equal(t, "output", compose("run", "--rm", "-T", "job"), "the token\ninline\n644")
		compose("down", "-v")
	}},
}

// composeCommand is how Compose is called where the daemon runs.
func (d *dockerd) composeCommand() []string {
	if err := d.command("compose", "version").Run(); err == nil {
		return []string{d.client, "compose"}
	}
	return []string{"docker-compose"}
}

// compose gives a function that runs Compose on a project, which is taken down when the test ends.
func (d *docker) compose(t *testing.T, project, file string) func(args ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"compose.yaml": fmt.Sprintf(file, d.runtime), "token": "the token\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil { //nolint:gosec // read by the container's users
			t.Fatal(err)
		}
	}
	prefix := append(d.composeCommand(), "-p", project, "-f", dir+"/compose.yaml", "--project-directory", dir)
	command := func(args ...string) *exec.Cmd {
		all := append(prefix[1:len(prefix):len(prefix)], args...)
		cmd := d.inside(prefix[0], all...)
		cmd.Env = d.environment()
		return cmd
	}
	t.Cleanup(func() {
		if t.Failed() {
			r := run(t, command("logs"))
			t.Logf("logs:\n%s%s", r.stdout, r.stderr)
		}
		run(t, command("down", "-v"))
	})
	return func(args ...string) string {
		t.Helper()
		return must(t, run(t, command(args...)))
	}
}
