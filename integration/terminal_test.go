package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// typeInto runs a command on a terminal of its own of the given size, types input once the command has started, and
// gives all that the terminal showed. The command must succeed.
func typeInto(t testing.TB, cmd *exec.Cmd, input string, rows, cols uint16) string {
	t.Helper()
	master, slave := openTerminal(t, rows, cols)
	defer master.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	var mu sync.Mutex
	var shown bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			mu.Lock()
			shown.Write(buf[:n])
			mu.Unlock()
			if err != nil { // EIO: the last process that had the terminal is gone
				return
			}
		}
	}()
	if _, err := master.WriteString(input); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	kill.Stop()
	<-read
	mu.Lock()
	defer mu.Unlock()
	if err != nil {
		t.Fatalf("run %s: %v, terminal shows %q", cmd, err, shown.String())
	}
	return shown.String()
}

// openTerminal makes a pseudo-terminal pair (pts(4)).
func openTerminal(t testing.TB, rows, cols uint16) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var number uint32
	if err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err == nil {
		number, err = unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}
	if err != nil {
		_ = master.Close()
		t.Fatal(err)
	}
	return master, slave
}
