package harden

import (
	"maps"
	"math"
	"math/rand/v2"
	"path"
	"reflect"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// hostileStrings are what specs have, and what they had in attacks.
var hostileStrings = []string{
	"", "/", "..", "../..", "/proc", "/proc/self/fd/7", "/sys/fs/cgroup", "/dev/null", "/etc", "/root", "/var/lib/app", "/run/docker.sock", "a\nb", "a\x00b",
	"max", "0", "-1", "0-3", "18446744073709551615", "9223372036854775807", "rw", "ro", "rro", "rshared", "suid", "dev", "exec", "bind", "rbind", "size=0",
	"size=100%", "size=1k", "mode=1777", "tmpfs", "proc", "sysfs", "cgroup", "overlay", "CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_KILL", "unconfined", "user", "pid", "network",
	"SCMP_ACT_ALLOW", "SCMP_ACT_NOTIFY", "SCMP_ACT_KILL_PROCESS", "SCMP_CMP_EQ", "SCMP_CMP_LT", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "read", "mount", "clone", "socket", "ptrace",
	"net.ipv4.ip_forward", "net.ipv4.ping_group_range", "kernel.core_pattern", "0 2147483647", "memory.max", "memory.oom.group", "pids.max", "cpu.max", "cgroup.procs",
	"RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_NICE", "SCHED_FIFO", "SCHED_OTHER", "system.slice:docker:1", "/docker/x", "/system.slice", "rprivate", "shared", "LINUX", "c", "b", "rwm",
}

var hostileNumbers = []int64{0, 1, -1, 2, 3, 10, 999, 1000, 4096, 65535, 65536, 70000, 100000, 1 << 20, 1 << 30, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32, math.MaxInt64, math.MinInt64}

// mutate sets edits places of the spec, chosen by r, to values that r chooses. It reaches every property of
// runtime-spec, because it walks the type.
func mutate(s *specs.Spec, r *rand.Rand, edits int) {
	for range edits {
		mutateValue(reflect.ValueOf(s).Elem(), r, 0)
	}
	// Without these there is nothing to harden: other tests have them.
	if s.Process == nil {
		s.Process = &specs.Process{}
	}
	if s.Root == nil {
		s.Root = &specs.Root{Path: "rootfs"}
	}
	if s.Linux == nil {
		s.Linux = &specs.Linux{}
	}
}

func mutateValue(v reflect.Value, r *rand.Rand, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		mutateValue(v.Field(r.IntN(v.NumField())), r, depth+1)
	case reflect.Pointer:
		mutatePointer(v, r, depth)
	case reflect.Slice:
		mutateSlice(v, r, depth)
	case reflect.Map:
		mutateMap(v, r, depth)
	case reflect.String:
		v.SetString(hostileStrings[r.IntN(len(hostileStrings))])
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(hostileNumbers[r.IntN(len(hostileNumbers))])
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(hostileNumbers[r.IntN(len(hostileNumbers))]))
	}
}

// mutatePointer goes through the pointer, or sets or clears it. The top of the spec is rarely cleared: most of what
// matters is below.
func mutatePointer(v reflect.Value, r *rand.Rand, depth int) {
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	} else if depth > 2 && r.IntN(6) == 0 {
		v.SetZero()
		return
	}
	mutateValue(v.Elem(), r, depth+1)
}

func mutateSlice(v reflect.Value, r *rand.Rand, depth int) {
	switch n := v.Len(); {
	case n > 0 && r.IntN(4) == 0: // one less
		i := r.IntN(n)
		v.Set(reflect.AppendSlice(v.Slice3(0, i, i), v.Slice(i+1, n)))
	case n > 0 && r.IntN(4) == 0: // one twice
		v.Set(reflect.Append(v.Slice3(0, n, n), v.Index(r.IntN(n))))
	case n > 0 && r.IntN(2) == 0:
		mutateValue(v.Index(r.IntN(n)), r, depth+1)
	case n < 40:
		one := reflect.New(v.Type().Elem()).Elem()
		for range 3 {
			mutateValue(one, r, depth+1)
		}
		v.Set(reflect.Append(v.Slice3(0, n, n), one))
	}
}

func mutateMap(v reflect.Value, r *rand.Rand, depth int) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	value := reflect.New(v.Type().Elem()).Elem()
	mutateValue(value, r, depth+1)
	key := reflect.New(v.Type().Key()).Elem()
	key.SetString(hostileStrings[r.IntN(len(hostileStrings))])
	v.SetMapIndex(key, value)
}

func cleanPath(p string) string { return path.Clean(p) }

func keysOf(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
