package harden

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// tmpfs narrows the options of a tmpfs. The one at /dev keeps its device nodes: those are binds, and the kernel lets
// nobody make others in a user namespace.
func (e *optionEdit) tmpfs(s *specs.Spec, p Policy, v mountView) {
	e.drop("it gives rights back", "rrw", "rsuid", "rdev", "rexec")
	e.drop("only binds are mapped", "idmap", "ridmap")
	e.force(whyVolume, "nosuid", "suid")
	if v.mount.Destination != "/dev" {
		e.force(whyVolume, "nodev", "dev")
	}
	if p.Profile.Mounts.Noexec.On {
		e.force(because("a tmpfs holds data", p.Profile.Mounts.Noexec.Reason), "noexec", "exec")
	}
	if !p.running {
		e.size(s, p, v.mount.Destination)
	}
}

// size gives a tmpfs a size within the memory limit: what it holds counts as the container's memory.
//
// One that names no size gets the memory limit, as a Docker user expects: it has room for what the container may hold.
// /dev/shm gets the profile's default, which is what engines give it.
func (e *optionEdit) size(s *specs.Spec, p Policy, dest string) {
	ceiling := tmpfsCeiling(s, p)
	standard := ceiling
	if dest == "/dev/shm" {
		standard = min(p.Profile.Limits.Shm.Default, ceiling)
	}
	at := slices.IndexFunc(e.options, isSize)
	if last := lastIndex(e.options, isSize); last != at {
		e.options[at] = e.options[last]
		e.options = slices.DeleteFunc(e.options[:], dropAfterFirst(isSize))
		e.because("the last size counts")
	}
	if at < 0 {
		e.options = append(e.options, sizeOption(standard))
		e.because(because("a tmpfs without a size takes half of the host's memory", p.Profile.Limits.Shm.Reason))
		return
	}
	switch n, ok := sizeOf(e.options[at], p.Host.Memory); {
	case !ok:
	case n == 0:
		e.options[at] = sizeOption(standard)
		e.because(because("a tmpfs of size 0 has no limit", p.Profile.Limits.Shm.Reason))
	case n > ceiling:
		e.options[at] = sizeOption(ceiling)
		e.because(because("its size lies within the memory limit", p.Profile.Limits.Shm.Reason))
	}
}

func isSize(o string) bool { return strings.HasPrefix(o, "size=") }

func lastIndex(list []string, match func(string) bool) int {
	for i, o := range slices.Backward(list) {
		if match(o) {
			return i
		}
	}
	return -1
}

func dropAfterFirst(match func(string) bool) func(string) bool {
	seen := false
	return func(o string) bool {
		again := seen && match(o)
		seen = seen || match(o)
		return again
	}
}

func sizeOption(n int64) string { return "size=" + strconv.FormatInt(max(n, pageSize), 10) }

// tmpfsCeiling is the most that a tmpfs may hold, in bytes: the container's memory limit as the limits rule sets it,
// and the profile's ceiling.
func tmpfsCeiling(s *specs.Spec, p Policy) int64 {
	b := boundsOf(p)
	var asked *int64
	if s.Linux.Resources != nil && s.Linux.Resources.Memory != nil {
		asked = s.Linux.Resources.Memory.Limit
	}
	return min(limited(asked, b.memoryDefault, b.memoryCeiling), shmCeiling(p))
}

func shmCeiling(p Policy) int64 {
	if c := p.Profile.Limits.Shm.Ceiling; c > 0 {
		return c
	}
	return math.MaxInt64
}

// sizeOf reads tmpfs's size= in bytes: a number with k, m, g, t, p or e, or a percentage of the memory. tmpfs(5)
func sizeOf(option string, memory int64) (int64, bool) {
	text := strings.ToLower(strings.TrimPrefix(option, "size="))
	if share, ok := strings.CutSuffix(text, "%"); ok {
		n, err := strconv.ParseInt(share, 10, 64)
		if err != nil || n < 0 || n > 1000 {
			return 0, false
		}
		return percent(memory, n), true
	}
	shift := 0
	if text != "" {
		if i := strings.IndexByte("kmgtpe", text[len(text)-1]); i >= 0 {
			shift, text = 10*(i+1), text[:len(text)-1]
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || text[0] == '+' || text[0] == '-' {
		return 0, false
	}
	if n > math.MaxInt64>>shift {
		return math.MaxInt64, true
	}
	return n << shift, true
}

// tmpfs objects to the options of a tmpfs.
func (o *protest) tmpfs(s *specs.Spec, v mountView, p Policy) {
	field, all := mountField(v.index, "options"), quoteOptions(v.mount.Options)
	switch {
	case !v.opts.nosuid:
		o.object(field, all, "nosuid")
	case !v.opts.nodev && v.mount.Destination != "/dev":
		o.object(field, all, "nodev")
	case p.Profile.Mounts.Noexec.On && !v.opts.noexec:
		o.object(field, all, "noexec")
	}
	sized := false
	for _, d := range v.opts.data {
		if isSize(d) {
			n, ok := sizeOf(d, p.Host.Memory)
			ceiling := min(boundsOf(p).memoryCeiling, shmCeiling(p))
			if !ok || n <= 0 || n > max(ceiling, pageSize) {
				o.object(field, quote(d), fmt.Sprintf("a size of 1 to %d bytes", ceiling))
			}
			sized = true
			continue
		}
		o.tmpfsData(s, field, d, p)
	}
	if !sized {
		o.object(field, all, "a size")
	}
}

// tmpfsData objects to an option of a tmpfs, other than its size, that is not known to be harmless.
func (o *protest) tmpfsData(s *specs.Spec, field, data string, p Policy) {
	name, value, _ := strings.Cut(data, "=")
	switch name {
	case "mode":
		if n, err := strconv.ParseUint(value, 8, 32); err != nil || n > 0o7777 {
			o.object(field, quote(data), "a mode of up to 7777")
		}
	case "uid", "gid":
		o.ownerOption(s, field, data, p)
	case "nr_inodes":
		if n, ok := sizeOf(value, p.Host.Memory); !ok || n == 0 {
			o.object(field, quote(data), "a number of inodes from 1 on")
		}
	case "inode32", "inode64":
	default:
		o.object(field, quote(data), "size, mode, uid, gid or nr_inodes")
	}
}

// ownerOption objects to a uid= or gid= that the container does not have.
func (o *protest) ownerOption(s *specs.Spec, field, data string, p Policy) {
	name, value, _ := strings.Cut(data, "=")
	n, err := strconv.ParseUint(value, 10, 32)
	uids, gids := mappedIDs(s, p)
	spans := uids
	if name == "gid" {
		spans = gids
	}
	if err != nil || !slices.ContainsFunc(spans, func(sp idSpan) bool { return n >= sp.first && n < sp.first+sp.size }) {
		o.object(field, quote(data), "an ID that the container has")
	}
}
