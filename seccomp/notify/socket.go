package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Socket takes the listeners of a container's filters: one from create, and one from each exec.
type Socket struct {
	l    *net.UnixListener
	path string
}

// NewSocket makes the socket. Only this user can connect to it.
func NewSocket(path string) (*Socket, error) {
	old := unix.Umask(0o177) // the program has nothing else under way
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("make socket for seccomp listeners: %w", err)
	}
	return &Socket{l, path}, nil
}

// Close removes the socket. An Accept that waits ends with net.ErrClosed.
func (s *Socket) Close() error { return s.l.Close() }

// Accept waits for a listener. Its filter's processes wait, too, until it is served. What somebody else than this user or root sends,
// or what is no container's state, is an error that leaves the socket open. Who only looks whether the socket is served sends nothing,
// and is passed over.
func (s *Socket) Accept() (*Listener, *specs.ContainerProcessState, error) {
	for {
		l, state, err := s.acceptOne()
		if !errors.Is(err, errClosed) {
			return l, state, err
		}
	}
}

func (s *Socket) acceptOne() (*Listener, *specs.ContainerProcessState, error) {
	c, err := s.l.AcceptUnix()
	if err != nil {
		return nil, nil, fmt.Errorf("accept seccomp listener: %w", err)
	}
	defer c.Close()
	late := time.AfterFunc(launchTimeout, func() { _ = c.CloseRead() })
	defer late.Stop()
	if err := checkPeer(c); err != nil {
		return nil, nil, fmt.Errorf("accept seccomp listener: %w", err)
	}
	var text []byte
	fd, err := receiveFile(c, &text)
	if err != nil {
		return nil, nil, fmt.Errorf("accept seccomp listener: %w", err)
	}
	state := &specs.ContainerProcessState{}
	if err := json.Unmarshal(text, state); err != nil {
		return nil, nil, fmt.Errorf("accept seccomp listener: read state: %w", errors.Join(err, fd.Close()))
	}
	l, err := NewListener(fd)
	return l, state, err
}

// checkPeer wants root or the user of this process at the other end.
func checkPeer(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	if e := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil {
		return e
	}
	if err != nil {
		return err
	}
	if peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		return fmt.Errorf("user %d sent it, want root or user %d", peer.Uid, os.Geteuid())
	}
	return nil
}
