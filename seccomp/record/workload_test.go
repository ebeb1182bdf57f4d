package record

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

// workload is what the test program does in a child.
func workload(what string) {
	switch what {
	case "watch":
		watchAsNobody()
		return
	case "record":
		recordAsNobody()
		return
	}
	if f := inherited[what]; f != nil {
		f()
		return
	}
	if err := loadFilter(testProfile()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var begin atomic.Bool
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer close(done)
		if what == "first" {
			for !begin.Load() { // no call before the denied one
			}
			call(unix.SYS_GETPPID, 1)
		}
	}()
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	begin.Store(true)
	<-done
	if f := workloads[what]; f != nil {
		f()
	}
}

// inherited are for processes that have the filter of their parent.
var inherited = map[string]func(){
	"once":     func() { call(unix.SYS_GETPPID, 1) },
	"trap-now": func() { call(unix.SYS_TIMES, 1) },
	"kill-now": func() { call(unix.SYS_GETPGID, 1) },
}

var workloads = map[string]func(){
	"errno": func() {
		call(unix.SYS_GETPPID, 3)
		call(unix.SYS_SOCKET, 2, 38, unix.SOCK_STREAM, 0)
		call(unix.SYS_SOCKET, 1, unix.AF_UNIX, unix.SOCK_STREAM, 0)
		call(unix.SYS_CHDIR, 1) // fails, but not by the filter
	},
	"own": func() {
		own := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"umask"}, Action: specs.ActErrno, ErrnoRet: errno(33)}}}
		if err := loadFilter(own); err != nil {
			panic(err)
		}
		call(unix.SYS_UMASK, 2)
		call(unix.SYS_GETPPID, 1)
	},
	"trap":         func() { again("trap-now") },
	"kill-process": func() { again("kill-now") },
	"kill-thread":  func() { endThread(unix.SYS_SYSINFO); call(unix.SYS_GETPPID, 1) },
	"foreign":      func() { endThread(x32 | 39) },
	"odd": func() {
		for i := range uintptr(100) {
			call(5000+i, 1)
		}
	},
	"listen": func() { call(unix.SYS_LISTEN, 1, ^uintptr(0)); call(unix.SYS_ACCEPT, 1, ^uintptr(0)) },
	"accept": func() { call(unix.SYS_ACCEPT, 1, ^uintptr(0)); call(unix.SYS_LISTEN, 1, ^uintptr(0)) },
	"processes": func() {
		for range 60 {
			again("once")
		}
	},
}

func call(number uintptr, times int, args ...uintptr) {
	var a [3]uintptr
	copy(a[:], args)
	for range times {
		_, _, _ = unix.RawSyscall(number, a[0], a[1], a[2])
	}
}

// endThread makes a call that ends its thread, and waits until that is gone. The first thread would stay as a zombie: it is kept
// busy, and another one makes the call. The call is one that Go's scheduler knows of, so that it misses no processor.
func endThread(number uintptr) {
	tid := make(chan int)
	var try func()
	try = func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			go try()
			select {}
		}
		tid <- unix.Gettid()
		_, _, _ = unix.Syscall(number, 0, 0, 0)
	}
	go try()
	path := fmt.Sprintf("/proc/self/task/%d", <-tid)
	for {
		if _, err := os.Stat(path); err != nil {
			return
		}
		runtime.Gosched()
	}
}

// again runs a workload in a process of its own, in the same namespace and under the same filter.
func again(what string) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{workloadVariable + "=" + what}
	_ = cmd.Run()
}

// loadFilter loads a profile for all threads, as libcontainer compiles it.
func loadFilter(s *specs.LinuxSeccomp) error {
	arch, err := libseccomp.GetNativeArch()
	if err != nil {
		return err
	}
	raw, err := compile.Program(s, arch)
	if err != nil {
		return err
	}
	filters := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filters[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]} //nolint:gosec // a few dozen
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SECCOMP, 1, 1, uintptr(unsafe.Pointer(&prog))); e != 0 { // SET_MODE_FILTER, TSYNC
		return e
	}
	return nil
}

// watchAsNobody tries to watch with what privileges the process has.
func watchAsNobody() {
	var target DenialTarget
	err := json.Unmarshal([]byte(os.Getenv("BULKHEAD_RECORD_TARGET")), &target)
	if err == nil {
		err = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{})
	}
	var e *Explainer
	if err == nil {
		e, err = NewExplainer(testProfile(), nil, "test", runtime.GOARCH)
	}
	if err == nil {
		_, err = WatchDenials(target, e, time.Now())
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("watching")
}

// recordAsNobody tries to record with what privileges the process has.
func recordAsNobody() {
	var target DenialTarget
	err := json.Unmarshal([]byte(os.Getenv("BULKHEAD_RECORD_TARGET")), &target)
	if err == nil {
		_, err = NewRecorder(target, time.Now())
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("recording")
}
