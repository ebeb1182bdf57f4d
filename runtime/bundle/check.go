package bundle

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Bounds that no engine comes near. They keep one container's request from using up the runtime's memory, descriptors
// and time.
const (
	maxMounts     = 4096
	maxOptions    = 1024
	maxNamespaces = 8     // one of each type
	maxIDMappings = 340   // user_namespaces(7), lines of uid_map
	maxDevices    = 4096  //
	maxGroups     = 65536 // NGROUPS_MAX, setgroups(2)
	maxPaths      = 4096  // masked and read-only paths
	maxHooks      = 256
	maxPath       = 4095 // PATH_MAX less the closing NUL byte
	maxHostname   = 64   // sethostname(2)
)

// checkSpec finds what would make later floors misbehave. The first thing found is the error.
func checkSpec(s *specs.Spec) error {
	if s.Root == nil {
		return errors.New("root is missing")
	}
	if s.Process == nil {
		return errors.New("process is missing")
	}
	for _, err := range []error{
		checkPath("root.path", s.Root.Path),
		checkProcess("process.", s.Process),
		checkName("hostname", s.Hostname),
		checkName("domainname", s.Domainname),
		checkMounts(s.Mounts),
		checkHooks(s.Hooks),
		checkLinux(s.Linux),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkProcess checks a process; prefix is its path with a dot at the end, or empty.
func checkProcess(prefix string, p *specs.Process) error {
	if len(p.Args) == 0 {
		return fmt.Errorf("%sargs is empty", prefix)
	}
	if p.Args[0] == "" {
		return fmt.Errorf("%sargs[0] is empty", prefix)
	}
	if err := checkAbsolute(prefix+"cwd", p.Cwd); err != nil {
		return err
	}
	for i, env := range p.Env {
		// The variable is not repeated: it may be a secret.
		if at := strings.IndexByte(env, '='); at < 1 {
			return fmt.Errorf("%senv[%d] is no NAME=VALUE", prefix, i)
		}
	}
	if err := checkUser(prefix+"user.", p.User); err != nil {
		return err
	}
	return checkRlimits(prefix+"rlimits", p.Rlimits)
}

func checkUser(prefix string, u specs.User) error {
	const noID = 1<<32 - 1 // (uid_t)-1 means "leave as it is" to setuid(2) and its kin
	switch {
	case u.UID == noID:
		return fmt.Errorf("%suid is %d, want at most %d", prefix, u.UID, noID-1)
	case u.GID == noID:
		return fmt.Errorf("%sgid is %d, want at most %d", prefix, u.GID, noID-1)
	case u.Umask != nil && *u.Umask > 0o777:
		return fmt.Errorf("%sumask is %#o, want at most 0777", prefix, *u.Umask)
	}
	for i, gid := range u.AdditionalGids {
		if gid == noID {
			return fmt.Errorf("%sadditionalGids[%d] is %d, want at most %d", prefix, i, gid, noID-1)
		}
	}
	return checkCount(prefix+"additionalGids", len(u.AdditionalGids), maxGroups)
}

func checkRlimits(path string, limits []specs.POSIXRlimit) error {
	seen := map[string]bool{}
	for i, l := range limits {
		if l.Type == "" {
			return fmt.Errorf("%s[%d].type is empty", path, i)
		}
		if seen[l.Type] {
			return fmt.Errorf("%s[%d].type is %q a second time", path, i, cut(l.Type))
		}
		if l.Soft > l.Hard {
			return fmt.Errorf("%s[%d].soft is %d, want at most hard, which is %d", path, i, l.Soft, l.Hard)
		}
		seen[l.Type] = true
	}
	return nil
}

func checkMounts(mounts []specs.Mount) error {
	if err := checkCount("mounts", len(mounts), maxMounts); err != nil {
		return err
	}
	for i, m := range mounts {
		at := fmt.Sprintf("mounts[%d]", i)
		for _, err := range []error{
			checkAbsolute(at+".destination", m.Destination),
			checkLength(at+".source", m.Source),
			checkCount(at+".options", len(m.Options), maxOptions),
			checkMappings(at+".uidMappings", m.UIDMappings),
			checkMappings(at+".gidMappings", m.GIDMappings),
		} {
			if err != nil {
				return err
			}
		}
		if IsBind(m) && m.Source == "" {
			return fmt.Errorf("%s.source is empty, want the path to bind", at)
		}
	}
	return nil
}

func checkHooks(h *specs.Hooks) error {
	if h == nil {
		return nil
	}
	for _, list := range []struct {
		path  string
		hooks []specs.Hook
	}{
		{"hooks.prestart", h.Prestart}, //nolint:staticcheck // deprecated, and still what Docker 20.10 writes
		{"hooks.createRuntime", h.CreateRuntime},
		{"hooks.createContainer", h.CreateContainer},
		{"hooks.startContainer", h.StartContainer},
		{"hooks.poststart", h.Poststart},
		{"hooks.poststop", h.Poststop},
	} {
		if err := checkCount(list.path, len(list.hooks), maxHooks); err != nil {
			return err
		}
		for i, hook := range list.hooks {
			if err := checkAbsolute(fmt.Sprintf("%s[%d].path", list.path, i), hook.Path); err != nil {
				return err
			}
			if hook.Timeout != nil && *hook.Timeout < 0 {
				return fmt.Errorf("%s[%d].timeout is %d, want at least 1", list.path, i, *hook.Timeout)
			}
		}
	}
	return nil
}

func checkAbsolute(path, value string) error {
	if !filepath.IsAbs(value) {
		return fmt.Errorf("%s is %q, want an absolute path", path, cut(value))
	}
	return checkLength(path, value)
}

func checkPath(path, value string) error {
	if value == "" {
		return fmt.Errorf("%s is empty", path)
	}
	return checkLength(path, value)
}

func checkLength(path, value string) error {
	if len(value) > maxPath {
		return fmt.Errorf("%s has %d bytes, want at most %d", path, len(value), maxPath)
	}
	return nil
}

func checkName(path, value string) error {
	if len(value) > maxHostname {
		return fmt.Errorf("%s has %d bytes, want at most %d", path, len(value), maxHostname)
	}
	return nil
}

func checkCount(path string, got, most int) error {
	if got > most {
		return fmt.Errorf("%s has %d elements, want at most %d", path, got, most)
	}
	return nil
}

// cut shortens a value for a message.
func cut(value string) string {
	const longest = 128
	if len(value) > longest {
		return value[:longest] + "..."
	}
	return value
}
