package integration

import "testing"

// TestImages makes the images that later tests need, so that a failure to install packages is told apart from theirs.
func TestImages(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "debootstrap", "busybox")
	for _, name := range []string{"busybox", "debian", "services"} {
		t.Run(name, func(t *testing.T) { imageTar(t, name) })
	}
}
