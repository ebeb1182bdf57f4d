package container

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/userns"
)

// A notifySocket relays readiness from a container to the service manager that NOTIFY_SOCKET names (sd_notify(3)). Only
// READY is relayed: anything else (MAINPID, FDSTORE) would let the container speak for the service.
type notifySocket struct {
	dir  string // on the host, bound into the container at notifyDir
	host string
	conn *net.UnixConn
}

const (
	notifyDir  = "/run/notify"
	notifyName = "notify.sock"
)

// newNotifySocket is nil when the service manager asked for nothing.
func newNotifySocket(containerDir, host string) *notifySocket {
	if host == "" {
		return nil
	}
	return &notifySocket{dir: filepath.Join(containerDir, "notify"), host: host}
}

// stageNotify mounts the directory of the container's notify socket, read-only. It is the runtime's own mount, so it is
// added behind the rules.
func (c *creation) stageNotify() error {
	if err := os.Mkdir(c.notify.dir, 0o755); err != nil {
		return fmt.Errorf("make notify directory: %w", err)
	}
	f, err := os.OpenFile(c.notify.dir, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("make notify directory: %w", err)
	}
	defer f.Close()
	mnt, err := userns.Clone(f, nil, false)
	if err != nil {
		return err
	}
	defer mnt.Close()
	options := []string{"bind", "nosuid", "noexec", "nodev", "ro"}
	if err := userns.SetAttr(mnt, mountAttrs(options), 0, false); err != nil {
		return err
	}
	path := filepath.Join(c.Config.StateDir, "stage", "notify")
	if err := makeTarget(path, true); err != nil {
		return err
	}
	if err := userns.Attach(mnt, path); err != nil {
		return err
	}
	c.launched.Mounts = append(c.launched.Mounts, specs.Mount{Destination: notifyDir, Type: "bind", Source: path, Options: options})
	process := *c.launched.Process
	process.Env = append(append([]string{}, process.Env...), "NOTIFY_SOCKET="+notifyDir+"/"+notifyName)
	c.launched.Process = &process
	return nil
}

// bind makes the socket in the container's directory. Everybody in the container may write to it.
func (n *notifySocket) bind() error {
	if n == nil {
		return nil
	}
	path := filepath.Join(n.dir, notifyName)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("bind notify socket: %w", err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		_ = conn.Close()
		return fmt.Errorf("bind notify socket: %w", err)
	}
	n.conn = conn
	return nil
}

// forward waits for READY from the container, or for its end, and tells the service manager, with mainPID as the process to
// watch.
func (n *notifySocket) forward(mainPID int) error {
	if n == nil {
		return nil
	}
	defer n.conn.Close()
	manager, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.host, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("connect to NOTIFY_SOCKET: %w", err)
	}
	defer manager.Close()
	buf := make([]byte, 4096)
	for {
		if err := n.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return err
		}
		size, err := n.conn.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if startTime(mainPID) == 0 {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("read notify socket: %w", err)
		}
		if ready := readyLine(buf[:size]); ready != nil {
			return tellManager(manager, ready, mainPID)
		}
	}
}

// readyLine finds READY= in a datagram, which holds newline-separated assignments.
func readyLine(datagram []byte) []byte {
	for line := range bytes.SplitSeq(datagram, []byte{'\n'}) {
		if bytes.HasPrefix(line, []byte("READY=")) {
			return line
		}
	}
	return nil
}

// tellManager sends readiness and the main process, then waits until systemd has read both (sd_notify_barrier(3)): it
// drops messages of a sender that has exited.
func tellManager(manager *net.UnixConn, ready []byte, mainPID int) error {
	for _, m := range []string{string(ready) + "\n", "MAINPID=" + strconv.Itoa(mainPID) + "\n"} {
		if _, err := manager.Write([]byte(m)); err != nil {
			return fmt.Errorf("notify service manager: %w", err)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("notify service manager: %w", err)
	}
	defer r.Close()
	_, _, err = manager.WriteMsgUnix([]byte("BARRIER=1"), unix.UnixRights(int(w.Fd())), nil)
	_ = w.Close()
	if err != nil {
		return fmt.Errorf("notify service manager: %w", err)
	}
	// The other end is closed by a manager that knows the barrier; an older one never reads it.
	_ = r.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, _ = r.Read(make([]byte, 1))
	return nil
}
