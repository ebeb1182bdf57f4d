package container

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

type ioOptions struct {
	terminal, detach           bool
	consoleSocket, pidfdSocket string
}

// An owner is who gets the standard streams: a user of a container.
type owner struct {
	config *configs.Config
	user   specs.User
}

// ids are the owner's host IDs.
func (o owner) ids() (uid, gid int, err error) {
	if uid, err = o.config.HostUID(int(o.user.UID)); err != nil {
		return 0, 0, err
	}
	gid, err = o.config.HostGID(int(o.user.GID))
	return uid, gid, err
}

// console is what connects a process's standard streams or terminal to this process or to the caller.
type console struct {
	// afterStart are copies that the process has by now.
	afterStart []io.Closer
	copies     sync.WaitGroup
	terminal   *terminal
	streams    []io.Closer
}

// setupIO gives the process its standard streams. Detached, it inherits this process's own, or a terminal whose master
// goes to the caller's console socket. In the foreground it gets pipes or a terminal of its own, never the caller's terminal, whose input
// queue it could otherwise fill (TIOCSTI).
func setupIO(p *libcontainer.Process, own owner, o ioOptions) (*console, error) {
	c := &console{}
	if o.pidfdSocket != "" {
		f, err := c.dial(o.pidfdSocket)
		if err != nil {
			return nil, fmt.Errorf("connect to pidfd socket: %w", err)
		}
		p.PidfdSocket = f
	}
	var err error
	switch {
	case o.terminal && o.detach:
		p.ConsoleSocket, err = c.dial(o.consoleSocket)
		if err != nil {
			err = fmt.Errorf("connect to console socket: %w", err)
		}
	case o.terminal:
		err = c.openTerminal(p)
	case o.detach:
		p.Stdin, p.Stdout, p.Stderr = os.Stdin, os.Stdout, os.Stderr
		err = giveStreams(own)
	default:
		err = c.openPipes(p, own)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// dial connects to one of the caller's sockets. The process inherits the connection.
func (c *console) dial(path string) (*os.File, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	c.afterStart = append(c.afterStart, conn)
	f, err := conn.File()
	if err != nil {
		return nil, err
	}
	c.afterStart = append(c.afterStart, f)
	return f, nil
}

// giveStreams gives inherited anonymous pipes and terminals to the process's host IDs. nginx and httpd reopen
// /dev/stdout, which in a user namespace needs more than an open descriptor. Files, sockets and named pipes of the host are
// left alone: they are not the container's.
func giveStreams(own owner) error {
	uid, gid, err := own.ids()
	if err != nil {
		return fmt.Errorf("give standard streams to process.user: %w", err)
	}
	for fd := range 3 {
		if err := passable(fd); err != nil && !errors.Is(err, unix.EBADF) {
			return fmt.Errorf("pass standard stream %d: %w", fd, err)
		}
		if !ownable(fd) {
			continue
		}
		if err := unix.Fchown(fd, uid, gid); err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EROFS) {
			return fmt.Errorf("give standard stream %d to host ID %d: %w", fd, uid, err)
		}
	}
	return nil
}

// ownable tells whether the descriptor is an anonymous pipe or a pseudoterminal.
func ownable(fd int) bool {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return false
	}
	return st.Type == unix.PIPEFS_MAGIC || st.Type == unix.DEVPTS_SUPER_MAGIC
}

// openPipes connects the process to this process's streams through pipes that belong to the process's user.
func (c *console) openPipes(p *libcontainer.Process, own owner) error {
	uid, gid, err := own.ids()
	if err != nil {
		return fmt.Errorf("give standard streams to process.user: %w", err)
	}
	var reads, writes [3]*os.File
	for i := range reads {
		if reads[i], writes[i], err = os.Pipe(); err != nil {
			return fmt.Errorf("open pipes: %w", err)
		}
		its, ours := reads[i], writes[i]
		if i > 0 {
			its, ours = ours, its
		}
		c.afterStart, c.streams = append(c.afterStart, its), append(c.streams, ours)
		// Not by the descriptor's number: Fd would have a thread wait for each pipe.
		if err := its.Chown(uid, gid); err != nil {
			return fmt.Errorf("give standard stream %d to host ID %d: %w", i, uid, err)
		}
	}
	p.Stdin, p.Stdout, p.Stderr = reads[0], writes[1], writes[2]
	go func() {
		// Not waited for: a read from the caller's input may never end.
		_, _ = io.Copy(writes[0], os.Stdin)
		_ = writes[0].Close()
	}()
	c.copyOut(os.Stdout, reads[1])
	c.copyOut(os.Stderr, reads[2])
	return nil
}

func (c *console) copyOut(to io.Writer, from io.Reader) {
	c.copies.Go(func() { _, _ = io.Copy(to, from) })
}

// started is called once the process runs: it has its own copies of the streams.
func (c *console) started() error {
	if c.terminal != nil {
		if err := c.terminal.receive(c); err != nil {
			return err
		}
	}
	for _, f := range c.afterStart {
		_ = f.Close()
	}
	c.afterStart = nil
	return nil
}

// drain waits until all output of an ended process is written.
func (c *console) drain() {
	if c.terminal != nil {
		c.terminal.finish()
	}
	c.copies.Wait()
}

// close gives everything back; the caller's terminal is as it was.
func (c *console) close() {
	for _, f := range c.afterStart {
		_ = f.Close()
	}
	c.afterStart = nil
	for _, f := range c.streams {
		_ = f.Close()
	}
	c.streams = nil
	if c.terminal != nil {
		c.terminal.restore()
	}
}
