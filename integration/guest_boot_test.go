package integration

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// guestDeadline bounds one guest, guestBootDeadline its boot: an emulated processor is some ten times slower than a real one.
const (
	guestDeadline     = 80 * time.Minute
	guestBootDeadline = 15 * time.Minute
	// guestMemory is in MiB.
	guestMemory = 3072
)

// guestJobScript is what the service of the guest runs, with $prepare and $run set. It speaks on the second serial line.
const guestJobScript = `
exec >/dev/ttyS1 2>&1 </dev/null
stty -F /dev/ttyS1 raw -echo
echo booted
cp /job/bulkhead /job/bulkheadctl /job/bulkhead-view /usr/local/bin/
cd /job/integration
. /job/env
if [ -b /dev/vdc ]; then mount /dev/vdc /tmp && chmod 1777 /tmp; fi
export BULKHEAD_BIN=/usr/local/bin/bulkhead BULKHEAD_TEST_IMAGES=/job/images BULKHEAD_TEST_CACHE=/tmp/cache
sh -c "$prepare"
/job/integration.test -test.v=test2json -test.timeout 75m -test.run "$run" || echo "the tests ended with exit status $?"
sleep 1
`

// What the emulation is slow at is left out, which saves a third of the processor time of a guest or more. Without tsc=reliable the kernel
// reads the clock from an emulated device, in a system call, whenever a program asks. Newer processors have it copy memory byte by byte
// (erms), and do more at each system call, switch of processes, and miss of the address cache (smap, xsave, pku, la57). Two processors
// would take turns at one thread, because side by side the emulation now and then executes half of an instruction that the kernel is
// patching, and would wait for each other.
const (
	guestProcessor = "Nehalem"
	guestKernel    = "console=ttyS0 quiet panic=-1 mitigations=off audit=0 TERM=dumb systemd.show_status=false tsc=reliable clocksource=tsc init_on_alloc=0 norandmaps"
)

// guestAllocation keeps freed memory in qemu: it resizes its tables of addresses all the time, and the host would clear each page again.
var guestAllocation = []string{"MALLOC_MMAP_THRESHOLD_=1073741824", "MALLOC_TRIM_THRESHOLD_=4294967295"}

// A guestRun is a guest under way: its output, to be read to its end, and what it says on its console. With a directory in
// BULKHEAD_TEST_CONSOLE both are kept there, to be watched.
type guestRun struct {
	cmd     *exec.Cmd
	out     io.Reader
	spoke   bool
	console string
	copy    *os.File
}

// bootGuest starts a virtual machine with an emulated processor: KVM is not asked for, so it works in a virtual machine, too.
// Nothing that it writes outlives it. It ends with the job. With a size in scratch it has an empty disk of that size.
func bootGuest(t testing.TB, img guestImage, job, scratch string) *guestRun {
	t.Helper()
	requireProgram(t, "qemu-system-x86_64")
	g := &guestRun{console: filepath.Join(t.TempDir(), "console")}
	if dir := os.Getenv("BULKHEAD_TEST_CONSOLE"); dir != "" {
		g.console = filepath.Join(dir, filepath.Base(t.Name())+".console")
		var err error
		if g.copy, err = os.Create(filepath.Join(dir, filepath.Base(t.Name())+".output")); err != nil {
			t.Fatal(err)
		}
	}
	g.cmd = exec.Command("nice", "-n", "10", "qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot",
		"-accel", "tcg,thread=single", "-cpu", guestProcessor, "-smp", "1", "-m", strconv.Itoa(guestMemory), "-kernel", img.kernel, "-initrd", img.initrd,
		"-append", guestKernel,
		"-drive", "if=virtio,format=raw,snapshot=on,cache=unsafe,file="+img.disk,
		"-drive", "if=virtio,format=raw,readonly=on,file="+job,
		"-chardev", "stdio,id=out,signal=off", "-serial", "file:"+g.console, "-serial", "chardev:out")
	if scratch != "" {
		disk := filepath.Join(t.TempDir(), "scratch")
		must(t, run(t, exec.Command("sh", "-c", `truncate -s "$2" "$1"; mke2fs -q -F -t ext4 -O ^has_journal "$1"`, "sh", disk, scratch)))
		g.cmd.Args = append(g.cmd.Args, "-drive", "if=virtio,format=raw,cache=unsafe,file="+disk)
	}
	g.cmd.Env = append(os.Environ(), guestAllocation...)
	var stderr bytes.Buffer
	g.cmd.Stderr = &stderr
	out, err := g.cmd.StdoutPipe()
	if err == nil {
		err = g.cmd.Start()
	}
	if err != nil {
		t.Fatalf("boot a guest: %v", err)
	}
	g.out = out
	late := time.AfterFunc(guestDeadline, func() { _ = g.cmd.Process.Kill() })
	t.Cleanup(func() {
		late.Stop()
		_ = g.cmd.Process.Kill() // it has ended but when its reader gave up
		_ = g.cmd.Wait()
		if t.Failed() {
			t.Logf("%sthe end of the guest's console:\n%s", stderr.String(), g.consoleTail())
		}
	})
	return g
}

// Read reads what the guest writes. The first byte is awaited for a few minutes only: a guest that does not boot says nothing.
func (g *guestRun) Read(p []byte) (int, error) {
	if !g.spoke {
		late := time.AfterFunc(guestBootDeadline, func() { _ = g.cmd.Process.Kill() })
		defer late.Stop()
	}
	n, err := g.out.Read(p)
	g.spoke = true
	if g.copy != nil {
		_, _ = g.copy.Write(p[:n])
	}
	return n, err
}

func (g *guestRun) consoleTail() string {
	b, err := os.ReadFile(g.console)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-6000):])
}
