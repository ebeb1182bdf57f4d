package container

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestHostGroups: the parameter is written from the host's user namespace, with the IDs that the container's groups have
// there.
func TestHostGroups(t *testing.T) {
	leased := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1879048192, Size: 65536}}
	for _, c := range []struct{ value, want string }{
		{"0 65535", "1879048192 1879113727"},
		{"1000 1000", "1879049192 1879049192"},
		{"0\t10", "1879048192 1879048202"},
		{"1 0", "1 0"},
		{"0 65536", "0 65536"},
		{"any", "any"},
	} {
		if got := hostGroups(c.value, leased); got != c.want {
			t.Errorf("hostGroups(%q) is %q, want %q", c.value, got, c.want)
		}
	}
	if got := hostGroups("0 10", nil); got != "0 10" {
		t.Errorf("hostGroups without a mapping is %q", got)
	}
}
