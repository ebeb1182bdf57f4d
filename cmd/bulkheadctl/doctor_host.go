package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

func configCheck(err error) check {
	c := check{Name: "bulkhead's configuration", State: stateOK, Needed: true}
	_, absent := os.Lstat(profiles.ConfigPath)
	switch {
	case err != nil:
		c.State, c.Found = stateMissing, err.Error()
		c.Means, c.Do = "no container can start: the file is not trusted or not valid", "correct "+profiles.ConfigPath+" or remove it"
	case absent != nil:
		c.Found = "there is no " + profiles.ConfigPath + "; the defaults apply"
	default:
		c.Found = profiles.ConfigPath + " is valid and only root can write it"
	}
	return c
}

func profilesCheck(lines []profileLine) check {
	c := check{Name: "hardening profiles", State: stateOK}
	var names, problems []string
	for _, l := range lines {
		if l.Problem != "" {
			problems = append(problems, l.Problem)
			continue
		}
		names = append(names, l.Name)
	}
	c.Found = strings.Join(names, ", ")
	if len(problems) > 0 {
		c.State = stateLimited
		c.Found += "; " + strings.Join(problems, "; ")
		c.Means, c.Do = "containers under a profile that cannot be used do not start", "correct the file (bulkheadctl profile check FILE)"
	}
	return c
}

// stateCheck wants the state to be gone after a boot: leases and records name processes of this boot.
func stateCheck(cfg profiles.Config) check {
	c := check{Name: "state directory", State: stateOK}
	dir := cfg.StateDir
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	for ; err != nil && dir != "/"; err = unix.Statfs(dir, &st) {
		dir = filepath.Dir(dir)
	}
	if err == nil && (st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC) {
		c.Found = cfg.StateDir + " is on a tmpfs"
		return c
	}
	c.State, c.Found = stateLimited, cfg.StateDir+" is not on a tmpfs"
	c.Means = "records of containers outlive a boot and have to be deleted by hand"
	c.Do = "mount a tmpfs on /run, or name another stateDir in " + profiles.ConfigPath
	return c
}

// rangesCheck counts how many containers fit.
func rangesCheck(cfg profiles.Config) check {
	report, err := readLeases(filepath.Join(cfg.StateDir, "leases"), false)
	if report == nil {
		return check{Name: "ranges of host IDs", State: stateMissing, Found: err.Error(), Needed: true,
			Means: "no container can start: each needs a range", Do: "correct the lines of bulkhead in /etc/subuid and /etc/subgid"}
	}
	return judgeRanges(report.Pools, report.Leases, 65536)
}

func judgeRanges(pools []userns.Range, leases []userns.Lease, size uint32) check {
	c := check{Name: "ranges of host IDs", State: stateOK, Needed: true}
	var taken, texts = []userns.Range{}, []string{}
	for _, l := range leases {
		taken = append(taken, l.Range)
	}
	for _, p := range pools {
		texts = append(texts, p.String())
	}
	free := 0
	for _, p := range pools {
		free += room(p, taken, size)
	}
	c.Found = fmt.Sprintf("%s; room for %s besides the %d of now", strings.Join(texts, ", "), count(free, "container"), len(leases))
	if free == 0 {
		c.State = stateMissing
		c.Means, c.Do = "no further container can start", "widen bulkhead's lines in /etc/subuid and /etc/subgid, or see bulkheadctl leases --reclaim"
	}
	return c
}

// room counts the aligned places of a pool that are free.
func room(pool userns.Range, taken []userns.Range, size uint32) int {
	free := 0
	for start := uint64(pool.Start); start+uint64(size) <= pool.End(); start += uint64(size) {
		r := userns.Range{Start: uint32(start), Size: size}
		if !slices.ContainsFunc(taken, r.Overlaps) {
			free++
		}
	}
	return free
}

// binaryCheck looks for the program. weak gives the first of its path that others than the engine's own user may write.
func binaryCheck(weak func(string) string) check {
	c := check{Name: "the runtime's program", State: stateOK}
	path, err := runtimeBinary("")
	if err != nil {
		c.State, c.Found = stateLimited, err.Error()
		c.Means, c.Do = "engines do not find it", "make install, or name it in the engine's configuration"
		return c
	}
	c.Found = path
	if place := weak(path); place != "" {
		c.State = stateLimited
		c.Found += "; others than root can write " + place
		c.Means = "whoever can exchange the program is root at the next container"
		c.Do = "install it where only root can write (make install puts it into /usr/local/bin)"
	}
	return c
}

// writableByOthers gives the first of path and the directories above it that somebody but root may write. A sticky
// directory counts too: the program's name could be taken there before it exists.
func writableByOthers(path string) string {
	return writableBeside(path, func(owner uint32) bool { return owner == 0 })
}

// writableBeside is writableByOthers with the owners that may write.
func writableBeside(path string, trusted func(owner uint32) bool) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	for at := real; ; at = filepath.Dir(at) {
		st, err := os.Lstat(at)
		if err != nil {
			return at
		}
		sys, ok := st.Sys().(*syscall.Stat_t)
		if !ok || !trusted(sys.Uid) || st.Mode().Perm()&0o022 != 0 {
			return at
		}
		if at == "/" {
			return ""
		}
	}
}

// dockerCheck reads the daemon's configuration as install left it.
func dockerCheck(path string) check {
	c := check{Name: "Docker's configuration", State: stateOK}
	file, err := openConfig(path)
	if err != nil {
		c.State, c.Found, c.Do = stateLimited, err.Error(), "correct the file"
		return c
	}
	var config struct {
		Default  string                     `json:"default-runtime"`
		Runtimes map[string]json.RawMessage `json:"runtimes"`
	}
	if err := json.Unmarshal(file.text, &config); err != nil && len(file.text) > 0 {
		c.State, c.Found, c.Do = stateLimited, fmt.Sprintf("%s: %v", path, err), "correct the file"
		return c
	}
	var names, broken []string
	for name, value := range config.Runtimes {
		var e runtimeEntry
		if !ours(value) || json.Unmarshal(value, &e) != nil {
			continue
		}
		names = append(names, name)
		if _, err := os.Stat(e.Path); err != nil {
			broken = append(broken, e.Path)
		}
	}
	slices.Sort(names)
	slices.Sort(broken)
	return judgeDocker(c, path, config.Default, names, broken)
}

func judgeDocker(c check, path, byDefault string, names, broken []string) check {
	switch {
	case len(names) == 0:
		c.State, c.Found = stateLimited, path+" names no runtime of bulkhead"
		c.Means, c.Do = "Docker does not know it", "bulkheadctl install docker"
	case len(broken) > 0:
		c.State, c.Found = stateLimited, path+" names programs that are not there: "+strings.Join(broken, ", ")
		c.Means, c.Do = "Docker cannot start containers with it", "bulkheadctl install docker --binary PATH"
	case slices.Contains(names, byDefault):
		c.Found = path + " has " + strings.Join(names, ", ") + "; the default is " + byDefault
	default:
		c.Found = path + " has " + strings.Join(names, ", ")
		c.Means = "containers get it when they ask (docker run --runtime=" + names[0] + "); docker build uses the default runtime"
	}
	return c
}

// engines are the programs that call runtimes.
var engines = []string{"dockerd", "containerd", "podman", "crio", "buildkitd"}

// engineTimeout bounds a program that hangs on its version.
const engineTimeout = 10 * time.Second

func engineChecks() []check {
	var found []string
	for _, name := range engines {
		path, err := exec.LookPath(name)
		if errors.Is(err, exec.ErrNotFound) {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		cancel()
		line, _, _ := strings.Cut(string(out), "\n")
		if err != nil || line == "" {
			line = name + " (does not tell its version)"
		}
		found = append(found, strings.TrimSpace(line))
	}
	c := check{Name: "engines", State: stateOK, Found: strings.Join(found, "; ")}
	if len(found) == 0 {
		c.State, c.Found = stateLimited, "none is installed"
		c.Means, c.Do = "bulkhead runs bundles by hand, and bulkheadctl try works", "install docker.io, containerd or podman"
	}
	return []check{c}
}
