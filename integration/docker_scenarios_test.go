package integration

import (
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

// TestDocker runs every scenario under every runtime that it is meant for.
func TestDocker(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "ip", "iptables", "nsenter", "busybox", "debootstrap")
	scenarios := slices.Concat(runScenarios, execScenarios, fileScenarios, networkScenarios, lifecycleScenarios,
		limitScenarios, refusalScenarios, grantScenarios, serviceScenarios)
	for _, runtime := range runtimes() {
		t.Run(runtime, func(t *testing.T) {
			d := dockerWith(t, runtime)
			d.image(t, "busybox")
			for _, s := range scenarios {
				if s.hardened && runtime != "bulkhead" {
					continue
				}
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					s.run(t, d)
				})
			}
		})
	}
}
