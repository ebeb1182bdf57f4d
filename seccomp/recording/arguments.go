package recording

// Recorded says which arguments of a call are kept, and which of their bits.
type Recorded struct {
	Indices []int
	Masks   []uint64
}

const (
	whole = 0xffffffff // an int argument: the kernel reads 32 bits
	long  = ^uint64(0)
)

// ArgumentsOf says which arguments of a native system call a recorder keeps: those that are small numbers with a meaning,
// which a filter can therefore decide on. False for all other calls. The same table serves every recorder.
func ArgumentsOf(name string) (Recorded, bool) {
	r, ok := arguments[name]
	return r, ok
}

// Limit is how many combinations of a call's arguments are kept before they are given up as Any.
const Limit = 64

var arguments = map[string]Recorded{
	"socket":        {[]int{0, 1, 2}, []uint64{whole, 0xf, whole}}, // the type without SOCK_NONBLOCK and SOCK_CLOEXEC
	"socketpair":    {[]int{0, 1, 2}, []uint64{whole, 0xf, whole}},
	"ioctl":         {[]int{1}, []uint64{whole}},
	"prctl":         {[]int{0}, []uint64{whole}},
	"arch_prctl":    {[]int{0}, []uint64{whole}},
	"fcntl":         {[]int{1}, []uint64{whole}},
	"clone":         {[]int{0}, []uint64{cloneFlags}},
	"unshare":       {[]int{0}, []uint64{cloneFlags}},
	"setns":         {[]int{1}, []uint64{whole}},
	"personality":   {[]int{0}, []uint64{whole}},
	"setsockopt":    {[]int{1, 2}, []uint64{whole, whole}},
	"getsockopt":    {[]int{1, 2}, []uint64{whole, whole}},
	"mmap":          {[]int{2}, []uint64{protWX}},
	"mprotect":      {[]int{2}, []uint64{protWX}},
	"pkey_mprotect": {[]int{2}, []uint64{protWX}},
	"keyctl":        {[]int{0}, []uint64{whole}},
	"bpf":           {[]int{0}, []uint64{whole}},
	"ptrace":        {[]int{0}, []uint64{long}},
	"seccomp":       {[]int{0}, []uint64{whole}},
	"madvise":       {[]int{2}, []uint64{whole}},
	"futex":         {[]int{1}, []uint64{whole}},
}

const (
	cloneFlags = 0xffffff00 // without the signal in the low byte
	protWX     = 0x6        // PROT_WRITE and PROT_EXEC
)
