package integration

import (
	"os"
	"slices"
	"testing"
)

// A scenario is something that users do with Docker.
type scenario struct {
	name string
	// hardened marks what only bulkhead does: the scenario does not run under the other runtimes. All others must give
	// the same result under each runtime, so that a failure under bulkhead alone is bulkhead's.
	hardened bool
	run      func(*testing.T, *docker)
}

// scenarios is the one list that every Docker is tried with.
func scenarios() []scenario {
	return slices.Concat(runScenarios, execScenarios, fileScenarios, networkScenarios, lifecycleScenarios,
		limitScenarios, refusalScenarios, grantScenarios, serviceScenarios,
		interactScenarios, composeScenarios, imageScenarios, daemonScenarios)
}

// TestDocker runs every scenario on this host's Docker, under every runtime that it is meant for.
func TestDocker(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "ip", "iptables", "nsenter", "busybox", "debootstrap")
	for _, runtime := range runtimes() {
		t.Run(runtime, func(t *testing.T) { dockerWith(t, runtime).runScenarios(t) })
	}
}

// TestDockerEngines runs every scenario on other versions of Docker: under bulkhead, and for `make matrix` under the other
// runtimes too (BULKHEAD_TEST_MATRIX=1).
func TestDockerEngines(t *testing.T) {
	onOtherEngines(t, func(t *testing.T, d *dockerd) {
		for _, runtime := range runtimes() {
			if runtime != "bulkhead" && os.Getenv("BULKHEAD_TEST_MATRIX") != "1" {
				continue
			}
			t.Run(runtime, func(t *testing.T) { (&docker{dockerd: d, runtime: runtime}).runScenarios(t) })
		}
	})
}

func (d *docker) runScenarios(t *testing.T) {
	d.logEngine(t)
	d.image(t, "busybox")
	for _, s := range scenarios() {
		if s.hardened && d.runtime != "bulkhead" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.run(t, d)
		})
	}
}
