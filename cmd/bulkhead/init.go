package main

import (
	"os"
	"runtime"

	_ "github.com/opencontainers/cgroups/devices" // lets the cgroup managers write device rules
	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // enters the container's namespaces before Go starts
)

// The container's first process is this program again, as "bulkhead init": libcontainer starts it inside the container's
// namespaces. This is the one init function of the program, because every package initialisation runs again in every
// container.
//
// Main stays on the process's first thread: create changes that thread's mount namespace, and /proc/self is about the first
// thread. libcontainer has a thread of its own enter the container's mount namespace; that must never be the first one.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "init" {
		libcontainer.Init()
	}
	runtime.LockOSThread()
}
