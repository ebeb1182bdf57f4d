package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// LauncherWord is the first argument of this program when it is the launcher: main hands over to [LaunchMain] then.
const LauncherWord = "seccomp-launch"

// launchTimeout bounds the steps of a launcher, of which none waits for anything but a processor.
const launchTimeout = time.Minute

// A plan tells the launcher what to do.
type plan struct {
	Path      string
	Args, Env []string
	Program   []bpf.RawInstruction
	Listen    bool
}

// A Launch is a command that waits in a launcher, which is this program again, to be put under a filter.
type Launch struct {
	// Cmd is the launcher, which becomes the command: same process ID, same standard streams. Wait for it with Cmd.Wait.
	Cmd  *exec.Cmd
	path string
	args []string
	env  []string
	conn *net.UnixConn
}

// Prepare starts the launcher of a command. The caller may set up what has to be there before the command, and calls Go, or Abandon.
// The command gets no_new_privs, and is killed when this process dies. edit may change how the launcher is started, and may be nil.
func Prepare(args, env []string, edit func(*exec.Cmd)) (*Launch, error) {
	if len(args) == 0 {
		return nil, errors.New("start command: it is empty")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, fmt.Errorf("start command: %w", err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start command: make socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "launcher"), os.NewFile(uintptr(fds[1]), "launcher")
	defer theirs.Close()
	c, err := net.FileConn(ours)
	if err = errors.Join(err, ours.Close()); err != nil {
		return nil, fmt.Errorf("start command: %w", err)
	}
	l := &Launch{path: path, args: args, env: env, conn: c.(*net.UnixConn)}
	l.Cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"bulkheadctl", LauncherWord},
		Env:   []string{"GODEBUG=asyncpreemptoff=1"}, // no signals between filter and execve
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, ExtraFiles: []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL},
	}
	if edit != nil {
		edit(l.Cmd)
	}
	if err := l.Cmd.Start(); err != nil {
		return nil, fmt.Errorf("start launcher: %w", errors.Join(err, c.Close()))
	}
	return l, nil
}

// Abandon ends a launcher that shall not go.
func (l *Launch) Abandon() error {
	err := errors.Join(l.conn.Close(), l.Cmd.Process.Kill())
	_ = l.Cmd.Wait() // it was killed
	return err
}

// Go loads the program into the launcher and has it become the command. With a judge the program is one that notifies: the result is the
// listener, and the end of its Serve is sent to the channel. Without a judge both are nil. On an error the launcher is gone.
func (l *Launch) Go(program []bpf.RawInstruction, j Judge) (*Listener, <-chan error, error) {
	listener, served, err := l.start(program, j)
	if err != nil {
		_ = l.Abandon()
		return nil, nil, fmt.Errorf("start command: %w", err)
	}
	return listener, served, l.conn.Close()
}

func (l *Launch) start(program []bpf.RawInstruction, j Judge) (*Listener, <-chan error, error) {
	late := time.AfterFunc(launchTimeout, func() { _ = l.conn.CloseRead() })
	defer late.Stop()
	if err := json.NewEncoder(l.conn).Encode(plan{l.path, l.args, l.env, program, j != nil}); err != nil {
		return nil, nil, fmt.Errorf("tell launcher: %w", err)
	}
	if j == nil {
		return nil, nil, l.started()
	}
	fd, err := receiveFile(l.conn, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("get listener: %w", err)
	}
	listener, err := NewListener(fd)
	if err != nil {
		return nil, nil, err
	}
	served := make(chan error, 1)
	go func() { served <- listener.Serve(j) }()
	if err := l.started(); err != nil {
		return nil, nil, errors.Join(err, listener.Stop(), <-served)
	}
	return listener, served, nil
}

// started waits for the execve, which closes the launcher's end of the socket, or for the launcher's word of what went wrong.
func (l *Launch) started() error {
	text, err := io.ReadAll(l.conn)
	if err != nil {
		return fmt.Errorf("wait for launcher: %w", err)
	}
	if len(text) > 0 {
		return errors.New(string(text))
	}
	return nil
}

var errClosed = errors.New("it was closed at the other end")

// receiveFile reads one message with one descriptor. Text that comes instead of a descriptor is an error of the sender's. b takes the
// message's text, and is nil where it does not matter.
func receiveFile(c *net.UnixConn, b *[]byte) (*os.File, error) {
	text, oob := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := c.ReadMsgUnix(text, oob)
	if errors.Is(err, io.EOF) {
		return nil, errClosed
	}
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return nil, errors.New(string(text[:n]))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("got %d descriptors, want 1", len(fds))
	}
	unix.CloseOnExec(fds[0])
	if b != nil {
		*b = text[:n]
	}
	return os.NewFile(uintptr(fds[0]), "seccomp listener"), nil
}
