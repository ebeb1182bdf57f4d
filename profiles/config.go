package profiles

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// ConfigPath is bulkhead's configuration file.
const ConfigPath = "/etc/bulkhead/bulkhead.json"

// A Config is bulkhead's configuration file: JSON, each key optional, unknown keys refused.
type Config struct {
	// Profile is the name of the profile for containers of this host; --profile and the program's name come before it.
	// Default: "default".
	Profile string `json:"profile"`
	// ProfilesDir has the site's own profiles, NAME.json. Default: /etc/bulkhead/profiles.d.
	ProfilesDir string `json:"profilesDir"`
	// StateDir holds leases and what containers need while they exist. It must be on a file system that is empty after
	// a boot, as the leases end then. Default: /run/bulkhead.
	StateDir string `json:"stateDir"`
	// RootView says when the engine gets a view of a running container's root, so that docker cp and docker export see what
	// the container sees: "auto" where an engine's overlay is the root and the host can make one, "always" where it is
	// the root and an error where none can be made, "off" never. Default: "auto".
	RootView string `json:"rootView"`
	// SeccompDir has the site's registered seccomp profiles, NAME.json. Default: /etc/bulkhead/seccomp.d.
	SeccompDir string `json:"seccompDir"`
	// SeccompMap gives containers one of them. Default: none.
	SeccompMap []SeccompMapping `json:"seccompMap"`
	// RefusalLog keeps the last refusals, since a refused container leaves nothing else.
	RefusalLog RefusalLog `json:"refusalLog"`
}

// A RefusalLog is a file of bounded size.
type RefusalLog struct {
	// Path of the file. Default: refusals.log in the state directory.
	Path string `json:"path"`
	// MaxBytes is the size that the file never exceeds: 4096 to 1073741824. Default: 1048576.
	MaxBytes int64 `json:"maxBytes"`
}

// DefaultConfig is what applies without a configuration file.
func DefaultConfig() Config {
	c := Config{
		Profile:     DefaultName,
		ProfilesDir: "/etc/bulkhead/profiles.d",
		StateDir:    "/run/bulkhead",
		SeccompDir:  "/etc/bulkhead/seccomp.d",
		RootView:    "auto",
		RefusalLog:  RefusalLog{MaxBytes: 1 << 20},
	}
	c.deriveLog()
	return c
}

func (c *Config) deriveLog() {
	if c.RefusalLog.Path == "" {
		c.RefusalLog.Path = filepath.Join(c.StateDir, "refusals.log")
	}
}

// LoadConfig reads the configuration file at path, which must be trusted as [ReadTrusted] has it. An absent file gives
// [DefaultConfig]. It does not tell whether the profile it names exists.
func LoadConfig(path string) (Config, error) {
	data, err := ReadTrusted(path, maxFile)
	if errors.Is(err, ErrAbsent) {
		return DefaultConfig(), nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("load configuration: %w", err)
	}
	c, err := parseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("load configuration %q: %w", path, err)
	}
	return c, nil
}

func parseConfig(data []byte) (Config, error) {
	c := DefaultConfig()
	c.RefusalLog.Path = ""
	lines := map[string]int{}
	if err := decode(data, "configuration", &c, lines); err != nil {
		return Config{}, err
	}
	c.deriveLog()
	if err := c.validate(); err != nil {
		return Config{}, atLine(lines, err)
	}
	return c, nil
}

func (c Config) validate() error {
	if !validName(c.Profile) {
		return problemf("profile", "is %q, want %s", c.Profile, nameForm)
	}
	paths := []struct{ at, path string }{
		{"profilesDir", c.ProfilesDir}, {"stateDir", c.StateDir}, {"seccompDir", c.SeccompDir}, {"refusalLog.path", c.RefusalLog.Path},
	}
	for _, p := range paths {
		if !cleanAbs(p.path) || p.path == "/" {
			return problemf(p.at, "is %q, want an absolute path without \".\", \"..\" and double slashes", p.path)
		}
	}
	if !slices.Contains([]string{"auto", "always", "off"}, c.RootView) {
		return problemf("rootView", "is %q, want \"auto\", \"always\" or \"off\"", c.RootView)
	}
	if n := c.RefusalLog.MaxBytes; n < 4096 || n > 1<<30 {
		return problemf("refusalLog.maxBytes", "is %d, want 4096 to %d", n, 1<<30)
	}
	return c.validateSeccompMap()
}
