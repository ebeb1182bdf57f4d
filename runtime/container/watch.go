package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	libseccomp "github.com/opencontainers/runc/libcontainer/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
)

// A Watch has a program outside asked about the container's system calls before they run (seccomp_unotify(2)): the recorder of
// bulkheadctl. It comes from the command line, not from the bundle: an engine's SCMP_ACT_NOTIFY is judged by the rules.
type Watch struct {
	// Socket is the path of the AF_UNIX socket that receives the listener of each filter.
	Socket string `json:"socket"`
	// Quiet permits the calls that are not asked about. It brings nothing back that the rules denied.
	Quiet *specs.LinuxSeccomp `json:"quiet"`
}

// maxWatch bounds the file of a Watch.
const maxWatch = 4 << 20

// LoadWatch reads a Watch from a file.
func LoadWatch(path string) (*Watch, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read watch: %w", err)
	}
	if st.Size() > maxWatch {
		return nil, fmt.Errorf("read watch %q: it is larger than %d bytes", path, maxWatch)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read watch: %w", err)
	}
	w := &Watch{}
	if err := json.Unmarshal(text, w); err != nil {
		return nil, fmt.Errorf("read watch %q: %w", path, err)
	}
	if w.Socket == "" || w.Quiet == nil {
		return nil, fmt.Errorf("read watch %q: want socket and quiet", path)
	}
	return w, nil
}

// watch puts the listener into the spec that is launched. The hardened spec, which is the ceiling of exec, stays without. That the
// filter permits what the hardened one does, and nothing else, is shown by the comparison that shares no code with what made it.
func (c *creation) watch() error {
	w := c.asking
	if w == nil {
		w = c.Watch
	}
	if w == nil {
		return nil
	}
	out, err := watchedFilter(c.hardened.Linux.Seccomp, w, runtime.GOARCH)
	if err != nil {
		return fmt.Errorf("watch %q: %w", c.o.ID, err)
	}
	linux := *c.launched.Linux
	linux.Seccomp = out
	c.launched.Linux = &linux
	return nil
}

// startServed starts a process under a filter whose listener goes to a socket. libcontainer waits forever when it can send the listener to
// nobody: for a process that waits for an answer, and that holds the listener itself. So the processes that are under way are
// killed when the recorder has ended meanwhile, and libcontainer's error is the result.
func startServed(socket string, start func() error) error {
	if err := served(socket); err != nil {
		return err
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(servedInterval)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if served(socket) != nil {
					killChildren()
				}
			}
		}
	}()
	err := start()
	close(done)
	<-ended
	return err
}

// servedInterval is the time between two looks: a start takes less.
const servedInterval = time.Second

// killChildren kills what this process has started: libcontainer's init, or what becomes of it.
func killChildren() {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				_ = unix.Kill(pid, unix.SIGKILL) // a child of this process, which libcontainer has not waited for
			}
		}
	}
}

// served looks whether somebody takes listeners.
func served(socket string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return fmt.Errorf("reach the recorder, which has to answer for each system call: %s", harmless(err.Error()))
	}
	return c.Close()
}

func watchedFilter(hardened *specs.LinuxSeccomp, w *Watch, arch string) (*specs.LinuxSeccomp, error) {
	is, err := seccomp.FromOCI(hardened, arch)
	if err != nil {
		return nil, err
	}
	quiet, err := seccomp.FromOCI(w.Quiet, arch)
	if err != nil {
		return nil, err
	}
	p, err := seccomp.Watch(is, quiet)
	if err != nil {
		return nil, err
	}
	// The profile is read again from what libcontainer gets.
	p.ListenerPath = w.Socket
	if libseccomp.FlagSupported(specs.LinuxSeccompFlagWaitKillableRecv) == nil {
		p.Flags = append(p.Flags[:len(p.Flags):len(p.Flags)], specs.LinuxSeccompFlagWaitKillableRecv)
	}
	out := p.ToOCI()
	again, err := seccomp.FromOCI(out, arch)
	if err != nil {
		return nil, err
	}
	if ok, beyond := seccomp.Subset(again, is); !ok {
		return nil, errors.New("BUG: the watched filter is wider than the hardened one: " + beyond)
	}
	if ok, lost := seccomp.Subset(is, again); !ok {
		return nil, errors.New("BUG: the watched filter is narrower than the hardened one: " + lost)
	}
	return out, nil
}
