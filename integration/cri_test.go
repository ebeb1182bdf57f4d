package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A cri calls a containerd as kubelet does, for pods under one runtime.
type cri struct {
	*containerd
	client string
	// runtime is the name of the runtime under test, and the handler that pods name (a RuntimeClass has it).
	runtime string
}

// An object is a JSON object of the interface. Its names are those of api.proto, in lower camel case.
type object = map[string]any

// A podScenario is something that kubelet does with pods. Under each runtime it must give the same result, but for those
// that only bulkhead does.
type podScenario struct {
	name     string
	hardened bool
	run      func(*testing.T, *cri)
}

// TestCRI runs pods through each line of containerd, under each runtime.
func TestCRI(t *testing.T) {
	requireRoot(t)
	for _, line := range containerdLines(t) {
		t.Run(line.name, func(t *testing.T) {
			d := containerdOf(t, line)
			for _, name := range runtimes() {
				t.Run(name, func(t *testing.T) {
					c := &cri{containerd: d, client: kubernetesProgram(t, "cri"), runtime: name}
					for _, s := range podScenarios() {
						if s.hardened && name != "bulkhead" {
							continue
						}
						t.Run(s.name, func(t *testing.T) {
							t.Parallel()
							s.run(t, c)
						})
					}
				})
			}
		})
	}
}

// try calls a method of the interface.
func (c *cri) try(t testing.TB, method string, request object) result {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(c.client, c.dir+"/c.sock", method)
	cmd.Stdin = strings.NewReader(string(body))
	return run(t, cmd)
}

// call calls a method that must succeed, and reads its answer.
func (c *cri) call(t testing.TB, method string, request object, answer any) {
	t.Helper()
	text := must(t, c.try(t, method, request))
	if answer == nil {
		return
	}
	decode(t, text, answer)
}

func decode(t testing.TB, text string, answer any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), answer); err != nil {
		t.Fatalf("read answer: %v: %s", err, text)
	}
}

// A pod is a pod sandbox with its containers.
type pod struct {
	*cri
	id     string
	config object
	gone   bool
}

// An edit changes what is sent.
type edit func(object)

// set is an edit of one property, given by the path of its names.
func set(path string, value any) edit {
	return func(m object) {
		names := strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			next, ok := m[name].(object)
			if !ok {
				next = object{}
				m[name] = next
			}
			m = next
		}
		m[names[len(names)-1]] = value
	}
}

// podConfig is what kubelet sends for a pod of the test.
func (c *cri) podConfig(t testing.TB, edits ...edit) object {
	name := strings.ToLower(strings.NewReplacer("/", "-", " ", "-", ":", "").Replace(t.Name()))
	number := podNumber.Add(1)
	name = fmt.Sprintf("%s-%d", name[max(0, len(name)-40):], number)
	parent := c.cgroup + "/" + name
	if systemdCgroups() {
		parent = fmt.Sprintf("/bhpod%d.slice", number)
	}
	config := object{
		"metadata":     object{"name": name, "uid": "uid-" + name, "namespace": "tests"},
		"hostname":     "pod",
		"logDirectory": filepath.Join(c.dir, "logs", name),
		"linux": object{
			"cgroupParent": parent,
			"securityContext": object{
				"namespaceOptions": object{"network": "POD", "pid": "CONTAINER", "ipc": "POD"},
				"seccomp":          object{"profileType": "RuntimeDefault"},
			},
		},
	}
	for _, e := range edits {
		e(config)
	}
	return config
}

// handler is what a RuntimeClass names. Empty is containerd's default, runc.
func (c *cri) handler() string {
	if c.runtime == "runc" {
		return ""
	}
	return c.runtime
}

// tryPod asks for a pod sandbox.
func (c *cri) tryPod(t testing.TB, config object) result {
	t.Helper()
	return c.try(t, "RunPodSandbox", object{"config": config, "runtimeHandler": c.handler()})
}

// pod starts a pod and removes it when the test ends.
func (c *cri) pod(t testing.TB, edits ...edit) *pod {
	t.Helper()
	p := &pod{cri: c, config: c.podConfig(t, edits...)}
	var answer struct{ PodSandboxID string }
	decode(t, must(t, c.tryPod(t, p.config)), &answer)
	p.id = answer.PodSandboxID
	t.Cleanup(func() { p.remove(t) })
	return p
}

// remove stops and removes the pod, as kubelet does with one that is deleted, if that was not done.
func (p *pod) remove(t testing.TB) {
	t.Helper()
	if p.gone {
		return
	}
	p.gone = true
	p.call(t, "StopPodSandbox", object{"podSandboxId": p.id}, nil)
	p.call(t, "RemovePodSandbox", object{"podSandboxId": p.id}, nil)
}

// containerConfig is what kubelet sends for a container of the pod.
func (p *pod) containerConfig(name string, command []string, edits ...edit) object {
	config := object{
		"metadata": object{"name": name},
		"image":    object{"image": "docker.io/library/busybox:1"},
		"command":  command,
		"logPath":  name + ".log",
		"linux": object{
			"resources":       object{"cpuShares": "102", "oomScoreAdj": "1000"},
			"securityContext": object{"namespaceOptions": p.config["linux"].(object)["securityContext"].(object)["namespaceOptions"], "seccomp": object{"profileType": "RuntimeDefault"}},
		},
	}
	for _, e := range edits {
		e(config)
	}
	return config
}

// tryCreate asks for a container.
func (p *pod) tryCreate(t testing.TB, config object) result {
	t.Helper()
	return p.try(t, "CreateContainer", object{"podSandboxId": p.id, "config": config, "sandboxConfig": p.config})
}

// start creates and starts a container, and gives its ID. It goes with its pod.
func (p *pod) start(t testing.TB, name string, command []string, edits ...edit) string {
	t.Helper()
	var answer struct{ ContainerID string }
	decode(t, must(t, p.tryCreate(t, p.containerConfig(name, command, edits...))), &answer)
	p.call(t, "StartContainer", object{"containerId": answer.ContainerID}, nil)
	return answer.ContainerID
}

// exec runs a command as a probe does.
func (c *cri) exec(t testing.TB, id string, command ...string) result {
	t.Helper()
	var answer struct {
		Stdout, Stderr []byte
		ExitCode       int
	}
	c.call(t, "ExecSync", object{"containerId": id, "cmd": command, "timeout": "60"}, &answer)
	return result{args: command, stdout: string(answer.Stdout), stderr: string(answer.Stderr), code: answer.ExitCode}
}

// sh is the output of a command line in a container. It must succeed.
func (c *cri) sh(t testing.TB, id, line string) string {
	t.Helper()
	return must(t, c.exec(t, id, "sh", "-c", line))
}

// A containerStatus is what kubelet learns of a container.
type containerStatus struct {
	State    string
	ExitCode int
	Reason   string
	LogPath  string
}

func (c *cri) status(t testing.TB, id string) containerStatus {
	t.Helper()
	var answer struct{ Status containerStatus }
	c.call(t, "ContainerStatus", object{"containerId": id}, &answer)
	return answer.Status
}

// ended waits for the end of a container.
func (c *cri) ended(t testing.TB, id string) containerStatus {
	t.Helper()
	var s containerStatus
	eventually(t, "the end of the container", func() error {
		if s = c.status(t, id); s.State != "CONTAINER_EXITED" {
			return fmt.Errorf("it is in the state %q", s.State)
		}
		return nil
	})
	return s
}

// pid is the host's ID of the first process of a container or sandbox.
func (c *cri) pid(t testing.TB, id, method, key string) int {
	t.Helper()
	var answer struct{ Info map[string]string }
	c.call(t, method, object{key: id, "verbose": true}, &answer)
	var info struct{ Pid int }
	if err := json.Unmarshal([]byte(answer.Info["info"]), &info); err != nil || info.Pid == 0 {
		t.Fatalf("%s tells no process: %v: %v", method, err, answer)
	}
	return info.Pid
}

func (c *cri) containerPid(t testing.TB, id string) int {
	t.Helper()
	return c.pid(t, id, "ContainerStatus", "containerId")
}

func (p *pod) sandboxPid(t testing.TB) int {
	t.Helper()
	return p.pid(t, p.id, "PodSandboxStatus", "podSandboxId")
}

// address is the pod's IP address.
func (p *pod) address(t testing.TB) string {
	t.Helper()
	var answer struct {
		Status struct{ Network struct{ IP string } }
	}
	p.call(t, "PodSandboxStatus", object{"podSandboxId": p.id}, &answer)
	return answer.Status.Network.IP
}

// log is what a container of the pod wrote, without containerd's time stamps: "stdout F line".
func (p *pod) log(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.config["logDirectory"].(string), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		_, rest, _ := strings.Cut(line, " ")
		lines = append(lines, rest)
	}
	return strings.Join(lines, "\n")
}
