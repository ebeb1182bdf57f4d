package main

import (
	"github.com/bulkhead-runtime/bulkhead/rootview"
)

// viewCheck tries what docker cp on a running container needs.
func viewCheck(mode string) check {
	c := check{Name: "views of running roots", State: stateOK, Found: "works (/dev/fuse and " + rootview.Program + ")"}
	if mode == "off" {
		c.State, c.Found = stateLimited, "turned off by rootView in the configuration"
		c.Means = "docker cp and docker export of running containers may show old contents, and what docker cp writes may not be seen"
		return c
	}
	err := rootview.Available()
	if err == nil {
		return c
	}
	c.State, c.Found = stateLimited, err.Error()
	c.Means = "docker cp and docker export of running containers may show old contents, and what docker cp writes may not be seen"
	c.Do = "install " + rootview.Program + " beside bulkhead, and load the module fuse (modprobe fuse)"
	if mode == "always" {
		c.Means, c.Needed, c.State = "containers whose root is an engine's overlay are refused: rootView is always", true, stateMissing
	}
	return c
}
