package container

import (
	"errors"
	"fmt"
	"io"
	"os"

	containerdconsole "github.com/containerd/console"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/utils"
	"golang.org/x/sys/unix"
)

// A terminal joins a container's pseudoterminal with the terminal that the runtime was called from.
type terminal struct {
	host   containerdconsole.Console
	socket *os.File // this end of the pair through which the container's init sends the master
	epoll  *containerdconsole.Epoller
	master *containerdconsole.EpollConsole
}

// openTerminal prepares a terminal for a foreground process. The container's init makes it and sends its master.
func (c *console) openTerminal(p *libcontainer.Process) error {
	host, err := hostTerminal()
	if err != nil {
		return fmt.Errorf("find the caller's terminal: %w", err)
	}
	parent, child, err := utils.NewSockPair("console")
	if err != nil {
		return fmt.Errorf("open console socket pair: %w", err)
	}
	p.ConsoleSocket = child
	c.afterStart = append(c.afterStart, parent, child)
	c.terminal = &terminal{host: host, socket: parent}
	return nil
}

// hostTerminal is the first of the standard streams that is a terminal, else the controlling one.
func hostTerminal() (containerdconsole.Console, error) {
	for _, f := range []*os.File{os.Stderr, os.Stdout, os.Stdin} {
		t, err := containerdconsole.ConsoleFromFile(f)
		if err == nil {
			return t, nil
		}
		if !errors.Is(err, containerdconsole.ErrNotAConsole) {
			return nil, err
		}
	}
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return containerdconsole.ConsoleFromFile(f)
}

// receive takes the master and begins to copy both ways, the caller's terminal in raw mode.
func (t *terminal) receive(c *console) error {
	f, err := receiveFile(t.socket)
	if err != nil {
		return fmt.Errorf("receive the container's terminal: %w", err)
	}
	master, err := containerdconsole.ConsoleFromFile(f)
	if err != nil {
		return fmt.Errorf("receive the container's terminal: %w", err)
	}
	if err := containerdconsole.ClearONLCR(master.Fd()); err != nil {
		return fmt.Errorf("set up the container's terminal: %w", err)
	}
	if t.epoll, err = containerdconsole.NewEpoller(); err != nil {
		return fmt.Errorf("set up the container's terminal: %w", err)
	}
	if t.master, err = t.epoll.Add(master); err != nil {
		return fmt.Errorf("set up the container's terminal: %w", err)
	}
	go func() { _ = t.epoll.Wait() }()
	if err := t.host.SetRaw(); err != nil {
		return fmt.Errorf("set the caller's terminal to raw mode: %w", err)
	}
	go func() { _, _ = io.Copy(t.master, os.Stdin) }()
	c.copyOut(os.Stdout, t.master)
	t.resize()
	return nil
}

// resize gives the container's terminal the size of the caller's. Errors are ignored: a terminal that is gone has no size.
func (t *terminal) resize() {
	if t != nil && t.master != nil {
		_ = t.master.ResizeFrom(t.host)
	}
}

// finish ends the copying once what the process wrote has been read.
func (t *terminal) finish() {
	if t.master != nil {
		_ = t.master.Shutdown(t.epoll.CloseConsole)
	}
}

func (t *terminal) restore() {
	if t.master != nil {
		_ = t.master.Close()
	}
	_ = t.host.Reset()
}

// receiveFile receives one descriptor over a UNIX socket (unix(7), SCM_RIGHTS).
func receiveFile(socket *os.File) (*os.File, error) {
	name := make([]byte, unix.PathMax)
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(int(socket.Fd()), name, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil || len(fds) == 0 {
			continue
		}
		for _, extra := range fds[1:] {
			_ = unix.Close(extra)
		}
		return os.NewFile(uintptr(fds[0]), string(name[:n])), nil
	}
	return nil, errors.New("the message carried no descriptor")
}
