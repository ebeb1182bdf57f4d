// Package integration drives the built bulkhead through real engines: dockerd, containerd, podman, and as an engine
// would by hand. Its tests need root. They assert what a container sees and what the kernel says about it, never only
// what was asked.
//
// Environment:
//
//	BULKHEAD_BIN            the runtime to test; default: bin/bulkhead of this tree
//	BULKHEAD_TEST_RUNTIMES  runtimes for the engine scenarios, default "bulkhead,runc": what must work the same under
//	                        both is tried under both, so that a failure under bulkhead alone is bulkhead's
//	BULKHEAD_TEST_FULL      1: the crash walk also counts the calls of the runtime's children, and kills children and groups
//	BULKHEAD_TEST_MATRIX    1: every line of containerd, not only the installed and the newest one; every runtime on each
//	                        version of Docker; an image of 4 GB
//	BULKHEAD_TEST_CACHE     where images made from Debian packages are kept; default: /var/cache/bulkhead-test
package integration
