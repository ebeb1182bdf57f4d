package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const kubernetesFiles = "../deploy/kubernetes/"

// TestKubernetesManifests: each object is what the published types say, and the Pod Security Standards object to nothing that is
// not written down here.
func TestKubernetesManifests(t *testing.T) {
	cmd := exec.Command(kubernetesProgram(t, "manifests"), kubernetesFiles+"runtimeclass.yaml", kubernetesFiles+"pod.yaml", kubernetesFiles+"installer.yaml")
	var verdicts []struct {
		Kind, Name           string
		Baseline, Restricted []string
		Object               struct {
			Handler string
			Spec    struct{ RuntimeClassName string }
		}
	}
	if err := json.Unmarshal([]byte(must(t, run(t, cmd))), &verdicts); err != nil {
		t.Fatal(err)
	}
	var got, classes []string
	for _, v := range verdicts {
		got = append(got, fmt.Sprintf("%s %s: baseline %q, restricted %q", v.Kind, v.Name, v.Baseline, v.Restricted))
		if v.Object.Handler != "" {
			classes = append(classes, v.Name)
			equal(t, "handler of "+v.Name, v.Object.Handler, v.Name)
		}
		if class := v.Object.Spec.RuntimeClassName; class != "" && !slices.Contains(classes, class) {
			t.Errorf("%s %s has the class %q, and there is none", v.Kind, v.Name, class)
		}
	}
	equal(t, "verdicts", strings.Join(got, "\n"), `RuntimeClass bulkhead: baseline [], restricted []
RuntimeClass bulkhead-restricted: baseline [], restricted []
Pod web: baseline [], restricted []
Namespace bulkhead-system: baseline [], restricted []
ServiceAccount bulkhead-installer: baseline [], restricted []
DaemonSet bulkhead-installer: baseline ["hostPath volumes"], restricted ["restricted volume types" "runAsNonRoot != true" "runAsUser=0"]`)
	for _, file := range []string{"bulkhead.toml", "bulkhead-1.toml"} {
		var handlers []string
		for _, m := range regexp.MustCompile(`(?m)^\[plugins\..*\.runtimes\.([a-z-]+)\]$`).FindAllStringSubmatch(readDoc(t, "../deploy/containerd/"+file), -1) {
			handlers = append(handlers, m[1])
		}
		equal(t, "handlers in "+file, strings.Join(handlers, " "), strings.Join(classes, " "))
	}
}

// TestKustomization: what it names is there, and everything that is there is named or an example.
func TestKustomization(t *testing.T) {
	text := readDoc(t, kubernetesFiles+"kustomization.yaml")
	var named []string
	for _, m := range regexp.MustCompile(`(?m)^  - (\S+\.yaml)$`).FindAllStringSubmatch(text, -1) {
		named = append(named, m[1])
	}
	files, err := filepath.Glob(kubernetesFiles + "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		if example := name == "pod.yaml" || name == "kustomization.yaml"; slices.Contains(named, name) == example {
			t.Errorf("kustomization.yaml names %q, and %s is there", named, name)
		}
	}
	if !strings.Contains(readDoc(t, kubernetesFiles+"installer.yaml"), "image: bulkhead-installer\n") || !strings.Contains(text, "- name: bulkhead-installer\n") {
		t.Error("the installer's image has another name than in kustomization.yaml")
	}
}

// TestKubernetesInstaller runs the installer's program on configurations as nodes have them.
func TestKubernetesInstaller(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	const runc1 = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n"
	for _, c := range []struct {
		name, config, systemd string
		config2               string // what stands in config.toml afterwards: empty for the same
		refusal               string
	}{
		{name: "containerd 2", config: "version = 3\nroot = \"/data\"\n[debug]\nlevel = \"info\"\n", config2: "version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\nroot = \"/data\"\n[debug]\nlevel = \"info\"\n"},
		{name: "containerd 2 that imports", config: "version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n"},
		{name: "containerd 2 that imports others", config: "version = 3\nimports = [\"/etc/x.toml\"]\n", refusal: "config.toml imports other files"},
		{name: "containerd 1", config: runc1, config2: runc1 + "# bulkhead: begin\nSHIPPED# bulkhead: end\n"},
		{name: "containerd 1, cgroupfs", config: runc1, systemd: "false", config2: runc1 + "# bulkhead: begin\nSHIPPED# bulkhead: end\n"},
		{name: "containerd 1 without runc", config: "version = 2\n", refusal: "names no runtime runc"},
		{name: "an old configuration", config: "[debug]\nversion = 2\n", refusal: `config.toml has version "", want 2 or 3`},
		{name: "no configuration", refusal: "there is no config.toml"},
		{name: "no such driver", config: runc1, systemd: "yes", refusal: `SYSTEMD_CGROUP is "yes", want true or false`},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newWorkerNode(t, c.config, c.systemd)
			r := n.install(t)
			if c.refusal != "" {
				refused(t, r, c.refusal)
				equal(t, "what the node has", n.files(t), n.before)
				return
			}
			must(t, r)
			want := c.config
			if c.config2 != "" {
				shipped := readDoc(t, "../deploy/containerd/bulkhead-1.toml")
				if c.systemd == "false" {
					shipped = strings.ReplaceAll(shipped, "SystemdCgroup = true", "SystemdCgroup = false")
				}
				want = strings.ReplaceAll(c.config2, "SHIPPED", shipped)
			}
			equal(t, "config.toml", readDoc(t, n.dir+"/etc/config.toml"), want)
			if !strings.Contains(r.stdout, "restart containerd") {
				t.Errorf("nobody is told to restart containerd: %s", r)
			}
			after := n.files(t)
			equal(t, "second run", must(t, n.install(t)), "the configuration is as it was")
			equal(t, "what the node has after a second run", n.files(t), after)
			equal(t, "profile restricted", readLink(t, n.dir+"/bin/bulkhead-restricted"), "bulkhead")
		})
	}
}

// A workerNode is a pretended node's two directories.
type workerNode struct{ dir, systemd, before string }

func newWorkerNode(t *testing.T, config, systemd string) *workerNode {
	t.Helper()
	n := &workerNode{dir: t.TempDir(), systemd: systemd}
	must(t, run(t, exec.Command("mkdir", n.dir+"/bin", n.dir+"/etc", n.dir+"/programs")))
	for name, text := range map[string]string{"programs/bulkhead": "one", "programs/bulkheadctl": "two", "etc/config.toml": config} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.before = n.files(t)
	return n
}

// install runs the installer in the shell that its image has.
func (n *workerNode) install(t *testing.T) result {
	t.Helper()
	cmd := exec.Command("busybox", "sh", kubernetesFiles+"installer/install")
	cmd.Env = append(os.Environ(), "PROGRAMS="+n.dir+"/programs", "DROPINS=../deploy/containerd", "HOST_BIN="+n.dir+"/bin", "HOST_ETC="+n.dir+"/etc")
	if n.systemd != "" {
		cmd.Env = append(cmd.Env, "SYSTEMD_CGROUP="+n.systemd)
	}
	return run(t, cmd)
}

// files are the names, modes and sums of what the node has.
func (n *workerNode) files(t *testing.T) string {
	t.Helper()
	return must(t, run(t, exec.Command("sh", "-c", `cd "$1" && find bin etc -exec stat -c '%n %f' {} + | sort && find bin etc -type f -exec sha256sum {} + | sort`, "sh", n.dir)))
}

func readLink(t *testing.T, path string) string {
	t.Helper()
	target, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return target
}
