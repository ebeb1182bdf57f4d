package main

import (
	"os"

	_ "github.com/opencontainers/cgroups/devices" // lets the cgroup managers write device rules
	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // enters the container's namespaces before Go starts
)

// The container's first process is this program again, as "bulkhead init": libcontainer starts it inside the container's
// namespaces. This is the one init function of the program, because every package initialisation runs again in every
// container.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "init" {
		libcontainer.Init()
	}
}
