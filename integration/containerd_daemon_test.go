package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A containerd is a containerd of our own with the images busybox and pause, its CRI plugin, and a pod network.
type containerd struct {
	*daemon
	line     containerdLine
	programs string // the directory of its programs; empty: on the PATH
}

var sharedContainerd struct {
	sync.Mutex
	lines map[string]*containerd
}

// containerdOf gives the package's containerd of a line, started by the first caller.
func containerdOf(t testing.TB, line containerdLine) *containerd {
	t.Helper()
	sharedContainerd.Lock()
	defer sharedContainerd.Unlock()
	d, known := sharedContainerd.lines[line.name]
	if known && d == nil {
		t.Fatalf("there is no containerd %s: see the first test that wanted one", line.name)
	}
	if !known {
		if sharedContainerd.lines == nil {
			sharedContainerd.lines = map[string]*containerd{}
		}
		sharedContainerd.lines[line.name] = nil
		d = startContainerd(t, line)
		sharedContainerd.lines[line.name] = d
	}
	return d
}

func startContainerd(t testing.TB, line containerdLine) *containerd {
	t.Helper()
	requireProgram(t, "nsenter", "ip", cniPlugins()+"/bridge", cniPlugins()+"/host-local", cniPlugins()+"/loopback")
	d := &containerd{daemon: newDaemonDir(t), line: line, programs: line.programs(t)}
	d.writeConfig(t)
	d.start(t, d.setup(), "containerd", "--config", d.dir+"/config.toml")
	err := d.untilReady("containerd", func() error {
		out, err := d.ctr("version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("ctr version: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		_ = d.stop()
		t.Fatalf("start containerd: %v", err)
	}
	atEnd(d.stop)
	for _, namespace := range []string{"default", "k8s.io"} {
		for _, archive := range []string{ociArchive(t), pauseArchive(t)} {
			must(t, run(t, d.ctr("-n", namespace, "images", "import", archive)))
		}
	}
	return d
}

// setup makes containerd's mount namespace look like a host with Kubernetes and nothing else: a /run of its own, for shims
// keep their sockets in /run/containerd whatever the configuration says, with the host's leases in it and systemd's sockets, which
// the systemd cgroup driver talks to; kubelet's own
// directory; a site's profile.
func (d *containerd) setup() string {
	path := ""
	if d.programs != "" {
		path = "PATH=" + d.programs + ":$PATH\n"
	}
	return path + `
mkdir -p leases etc work kubelet /run/bulkhead
mount --bind /run/bulkhead leases
keep=
for d in dbus systemd; do
	if [ -d "/run/$d" ]; then mkdir "host-$d"; mount --rbind "/run/$d" "host-$d"; keep="$keep $d"; fi
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/bulkhead /run/netns
mount --move leases /run/bulkhead
for d in $keep; do mkdir "/run/$d"; mount --move "host-$d" "/run/$d"; done
mount -t overlay -o "lowerdir=/etc,upperdir=etc,workdir=work" overlay /etc
mkdir -p /etc/bulkhead/profiles.d
install -m 600 site.json /etc/bulkhead/profiles.d/site.json`
}

// systemdCgroups tells whether systemd makes the cgroups here, as kubelet has it where systemd runs the machine.
func systemdCgroups() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// podNetwork is a bridge without a way out, which is all that pods need of each other here.
const podNetwork = `{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "pods0", "isGateway": true,
	"ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.203.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}`

// hostNetworkProfile is what a site writes that runs pods in the host's network.
const hostNetworkProfile = `{"base": "default", "namespaces": {"hostNetwork": {"on": true, "reason": "the node's own agent"}},
	"widened": {"namespaces": "agents of the node see its network"}}`

// writeConfig writes the daemon's configuration, with the files of deploy/containerd as an administrator would use them.
func (d *containerd) writeConfig(t testing.TB) {
	t.Helper()
	write := func(name, text string) {
		path := filepath.Join(d.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cni/10-pods.conflist", fmt.Sprintf(podNetwork, d.dir+"/ipam"))
	write("site.json", hostNetworkProfile)
	write("bin/README", "links to the runtime under test: its name chooses the profile\n")
	for _, name := range []string{"bulkhead", "bulkhead-restricted", "bulkhead-site"} {
		if err := os.Symlink(bulkheadBin(t), d.dir+"/bin/"+name); err != nil {
			t.Fatal(err)
		}
	}
	file, section, config := "bulkhead.toml", "io.containerd.cri.v1.runtime", configVersion3
	if strings.HasPrefix(d.line.name, "1.") {
		file, section, config = "bulkhead-1.toml", "io.containerd.grpc.v1.cri", configVersion2
	}
	shipped, err := os.ReadFile("../deploy/containerd/" + file)
	if err != nil {
		t.Fatal(err)
	}
	site := fmt.Sprintf("[plugins.'%s'.containerd.runtimes.bulkhead-site]\nruntime_type = 'io.containerd.runc.v2'\n"+
		"options = {BinaryName = '/usr/local/bin/bulkhead-site', SystemdCgroup = true}\n", section)
	here := strings.NewReplacer("/usr/local/bin/", d.dir+"/bin/", "SystemdCgroup = true", fmt.Sprint("SystemdCgroup = ", systemdCgroups()))
	text := strings.NewReplacer("DIR", d.dir, "SYSTEMD", fmt.Sprint(systemdCgroups()), "PLUGINS", cniPlugins(), "RESTRICT", fmt.Sprint(!mayLowerOOMScore(t))).Replace(config)
	if config == configVersion3 { // merges what it imports
		write("conf.d/bulkhead.toml", here.Replace(string(shipped)))
	} else {
		text += here.Replace(string(shipped))
	}
	write("config.toml", text+here.Replace(site))
}

// mayLowerOOMScore tells whether this machine's root may give a process a score below its own: runc fails where it may not.
func mayLowerOOMScore(t testing.TB) bool {
	t.Helper()
	bounding, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return bounding == 1
}

const configVersion2 = `version = 2
root = "DIR/root"
state = "DIR/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = "DIR/c.sock"
[ttrpc]
address = "DIR/c.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/pause:1"
restrict_oom_score_adj = RESTRICT
enable_unprivileged_ports = true
enable_unprivileged_icmp = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "PLUGINS"
conf_dir = "DIR/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
options = {SystemdCgroup = SYSTEMD}
`

const configVersion3 = `version = 3
root = "DIR/root"
state = "DIR/state"
imports = ["DIR/conf.d/*.toml"]
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = "DIR/c.sock"
[ttrpc]
address = "DIR/c.sock.ttrpc"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "docker.io/library/pause:1"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = RESTRICT
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["PLUGINS"]
conf_dir = "DIR/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
options = {SystemdCgroup = SYSTEMD}
`

// ctr is containerd's client, in the daemon's namespaces, for it makes the bundle's mounts and pipes itself.
func (d *containerd) ctr(args ...string) *exec.Cmd {
	program := filepath.Join(d.programs, "ctr")
	cmd := d.inside(append([]string{program, "--address", d.dir + "/c.sock"}, args...)...)
	// Its warnings go to the standard error that belongs to the container.
	cmd.Env = append(os.Environ(), "CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1")
	return cmd
}

// inside is a command in the daemon's namespaces.
func (d *containerd) inside(command ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-m", "-n", "-t", fmt.Sprint(d.cmd.Process.Pid), "--"}, command...)...)
}

// pauseArchive is the image of a pod's first container: a static program that waits, reaps, and ends when told to. It runs
// as the user that Kubernetes' own image has. Beside it is a ping that any user can run, which busybox's is not.
func pauseArchive(t testing.TB) string {
	t.Helper()
	if archive := guestProgram("pause.tar"); archive != "" {
		return archive
	}
	requireProgram(t, "gcc")
	dir := t.TempDir()
	for name, program := range map[string]string{"pause": pauseProgram, "ping": pingProgram} {
		cmd := exec.Command("gcc", "-Os", "-static", "-o", dir+"/"+name, "-xc", "-")
		cmd.Stdin = strings.NewReader(program)
		must(t, run(t, cmd))
	}
	must(t, run(t, exec.Command("tar", "-cf", dir+"/layer", "--owner=0", "--group=0", "-C", dir, "pause", "ping")))
	layer, err := os.ReadFile(dir + "/layer")
	if err != nil {
		t.Fatal(err)
	}
	return ociImage(t, "docker.io/library/pause:1", layer, map[string]any{"User": "65535:65535", "Entrypoint": []string{"/pause"}})
}

const pauseProgram = `
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void reap(int s) { (void)s; while (waitpid(-1, 0, WNOHANG) > 0) {} }
static void end(int s) { (void)s; _exit(0); }
int main(void) {
	signal(SIGCHLD, reap); signal(SIGTERM, end); signal(SIGINT, end);
	for (;;) pause();
}
`

// icmp(7), "SOCK_DGRAM": what net.ipv4.ping_group_range allows.
const pingProgram = `
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
int main(int argc, char **argv) {
	struct icmphdr h = {.type = ICMP_ECHO}, answer = {0};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(argc > 1 ? argv[1] : "")};
	struct timeval wait = {.tv_sec = 60};
	int s = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	if (s < 0) { perror("socket"); return 1; }
	if (setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) || sendto(s, &h, sizeof h, 0, (struct sockaddr *)&to, sizeof to) < 0) { perror("send"); return 2; }
	if (recv(s, &answer, sizeof answer, 0) < 0) { perror("receive"); return 3; }
	return answer.type == ICMP_ECHOREPLY ? 0 : 4;
}
`
