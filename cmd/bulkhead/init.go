package main

import (
	"fmt"
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
		if _, ok := os.LookupEnv("_LIBCONTAINER_SYNCPIPE"); !ok { // libcontainer's words are about that pipe
			fmt.Fprintln(os.Stderr, `bulkhead: "init" is what create runs in a container, no command; see bulkhead --help`)
			os.Exit(1)
		}
		libcontainer.Init()
	}
}
