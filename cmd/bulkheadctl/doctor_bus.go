package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// busTimeout bounds a bus that does not answer.
const busTimeout = 10 * time.Second

// busCheck reaches for the user's systemd, which makes the cgroups of engines with the cgroup driver systemd.
func busCheck() check {
	c := check{Name: "the user's systemd", State: stateOK}
	address, err := userBus()
	if err == nil {
		var conn net.Conn
		if conn, err = net.DialTimeout("unix", address, busTimeout); err == nil {
			_ = conn.Close()
			_, err = exec.LookPath("busctl") // libcontainer asks it whose bus this is
		}
	}
	if err != nil {
		c.State, c.Found = stateLimited, err.Error()
		c.Means = "engines with the cgroup driver systemd start no container, and rootless Docker without that driver sets no limits"
		c.Do = "install systemd and dbus-user-session, log in through a session, or have root run loginctl enable-linger USER"
		return c
	}
	c.Found = "its bus answers at " + address
	return c
}

// userBus is the socket of the user's bus, as libcontainer finds it.
func userBus() (string, error) {
	if env := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); env != "" {
		for address := range strings.SplitSeq(env, ";") {
			path, ok := strings.CutPrefix(address, "unix:path=")
			if path, _, _ = strings.Cut(path, ","); ok {
				return path, nil
			}
		}
		return "", fmt.Errorf("find the user's bus: DBUS_SESSION_BUS_ADDRESS is %q, want unix:path=", env)
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return "", fmt.Errorf("find the user's bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
	}
	return filepath.Join(dir, "bus"), nil
}
