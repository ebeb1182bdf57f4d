package harden

import specs "github.com/opencontainers/runtime-spec/specs-go"

// traceSocketAt is where BuildKit's executor gives each step of a build the socket at which buildkitd takes trace spans.
const traceSocketAt = "/dev/otel-grpc.sock"

// traceSocket puts an empty directory where BuildKit gives a step its own socket. Programs that send no traces do not notice, and
// those that do are refused the connection; but who listens there is host root, and every step would have it unasked.
func (t *tally) traceSocket(s *specs.Spec, p Policy, i int) {
	v := viewMount(s, p, i)
	if v.mount.Destination != traceSocketAt || !v.bind() || v.source.Kind != "socket" {
		return
	}
	if _, ok := allowedSource(placeOf(v.source), p); ok {
		return
	}
	t.narrow(mountField(i, "source"), quote(v.mount.Source), quote("tmpfs"), "for "+quote(traceSocketAt)+": the builder listens at this socket as host root, and builds do without traces")
	s.Mounts[i] = specs.Mount{Destination: traceSocketAt, Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "noexec", "ro", "size=4096", "mode=555"}}
}
