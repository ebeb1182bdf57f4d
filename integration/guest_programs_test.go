package integration

import (
	"os"
	"path/filepath"
	"testing"
)

// guestPrograms are what tests of containerd and its CRI need in a guest, which has neither compilers nor a network: the client,
// the image of pods, this host's CNI plugins, and the drop-ins.
func guestPrograms(t testing.TB) map[string]string {
	t.Helper()
	files := map[string]string{
		"programs/cri": kubernetesProgram(t, "cri"), "programs/pause.tar": pauseArchive(t), "deploy/containerd": "../deploy/containerd",
	}
	for _, name := range []string{"bridge", "host-local", "loopback"} {
		requireProgram(t, cniPlugins()+"/"+name)
		files["programs/"+name] = cniPlugins() + "/" + name
	}
	return files
}

// guestProgram is one of [guestPrograms], in a guest: outside it is empty.
func guestProgram(name string) string {
	if os.Getenv("BULKHEAD_GUEST") == "" {
		return ""
	}
	return filepath.Join("/job/programs", name)
}

// cniPlugins is the directory of the CNI plugins, as containerd finds it.
func cniPlugins() string {
	if os.Getenv("BULKHEAD_GUEST") == "" {
		return "/usr/lib/cni"
	}
	return "/job/programs"
}
