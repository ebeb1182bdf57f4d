package profiles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// nameForm says what a profile may be called.
const nameForm = "lower case letters, digits and dashes, at most 63, beginning with a letter"

func validName(name string) bool {
	if name == "" || len(name) > 63 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// A problem is what is wrong with a value, and where: a path as a decoder has it.
type problem struct{ at, text string }

func (p *problem) Error() string { return p.at + " " + p.text }

func problemf(at, format string, args ...any) error {
	return &problem{at: at, text: fmt.Sprintf(format, args...)}
}

// Validate tells whether the profile keeps what no profile gives up: a user namespace, a filter and finite limits, and
// whether its names and numbers are possible. Reasons are checked where a file is read. The error names the first
// fault in the order of the sections.
func (p Profile) Validate() error {
	checks := []func() error{
		p.validateIdentity, p.validateMounts, p.validateCapabilities, p.validateSeccomp, p.validateHiddenPaths,
		p.validateDevices, p.Limits.validate, p.validateSysctls, p.validateHooks, p.validateWidened,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (p Profile) validateIdentity() error {
	if !validName(p.Name) {
		return problemf("name", "is %q, want %s", p.Name, nameForm)
	}
	if p.Description == "" {
		return problemf("description", "is empty, want one sentence")
	}
	if n := p.UserNamespace.Size; n < 65536 || n%65536 != 0 || n > 1<<30 {
		return problemf("userNamespace.size", "is %d, want a multiple of 65536 from 65536 to %d", n, 1<<30)
	}
	return nil
}

func (p Profile) validateMounts() error {
	seen := map[string]bool{}
	for i, s := range p.Mounts.AllowedSources {
		at := "mounts.allowedSources" + index(i) + ".path"
		if err := checkPath(at, s.Path, seen); err != nil {
			return err
		}
	}
	return nil
}

func (p Profile) validateCapabilities() error {
	return checkNames("capabilities", p.Capabilities, func(name string) string {
		if !slices.Contains(capabilityNames[:], name) {
			return "a capability of capabilities(7), as CAP_CHOWN"
		}
		return ""
	})
}

func (p Profile) validateSeccomp() error {
	s := p.Seccomp
	if !slices.Contains(seccompOrder(), s.Profile) && (!cleanAbs(s.Profile) || s.Profile == "/") {
		return problemf("seccomp.profile", "is %q, want one of %s, or the absolute path of a file", s.Profile, strings.Join(seccompOrder(), ", "))
	}
	if s.Agent != "" && (!cleanAbs(s.Agent) || s.Agent == "/") {
		return problemf("seccomp.agent", "is %q, want the absolute path of a socket", s.Agent)
	}
	return nil
}

func (p Profile) validateHiddenPaths() error {
	absolute := func(name string) string {
		if !cleanAbs(name) || name == "/" {
			return "an absolute path without \".\", \"..\" and double slashes"
		}
		return ""
	}
	if err := checkNames("maskedPaths", p.MaskedPaths, absolute); err != nil {
		return err
	}
	return checkNames("readonlyPaths", p.ReadonlyPaths, absolute)
}

func (p Profile) validateSysctls() error {
	return checkNames("sysctls", p.Sysctls, func(name string) string {
		if !validSysctl(name) {
			return "a name, or a prefix with \".*\", below net, fs.mqueue, or of kernel.shm, msg, sem and domainname: others belong to no namespace of the container"
		}
		return ""
	})
}

// validSysctl accepts what belongs to the IPC, UTS or network namespace (namespaces(7)); all else is the host's.
func validSysctl(name string) bool {
	stem := strings.TrimSuffix(name, ".*")
	if strings.ContainsAny(stem, "*/ ") || slices.Contains(strings.Split(stem, "."), "") {
		return false
	}
	switch stem {
	case "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shm_rmid_forced", "kernel.shmall",
		"kernel.shmmax", "kernel.shmmni", "kernel.domainname":
		return stem == name
	case "net", "fs.mqueue":
		return stem != name
	}
	return strings.HasPrefix(stem, "net.") || strings.HasPrefix(stem, "fs.mqueue.")
}

func (p Profile) validateHooks() error {
	return checkNames("hooks.allowed", p.Hooks.Allowed, func(name string) string {
		if !cleanAbs(name) || name == "/" {
			return "the absolute path of a program"
		}
		return ""
	})
}

func (p Profile) validateDevices() error {
	seen := map[string]bool{}
	for i, d := range p.Devices {
		at := "devices" + index(i)
		if err := checkPath(at+".path", d.Path, seen); err != nil {
			return err
		}
		if !strings.HasPrefix(d.Path, "/dev/") {
			return problemf(at+".path", "is %q, want a path below /dev", d.Path)
		}
		if d.Type != "c" && d.Type != "b" {
			return problemf(at+".type", "is %q, want \"c\" or \"b\"", d.Type)
		}
		// 12 and 20 bits: makedev(3), and MINORBITS of the kernel.
		if d.Major < 0 || d.Major > 4095 {
			return problemf(at+".major", "is %d, want 0 to 4095", d.Major)
		}
		if d.Minor < -1 || d.Minor > 1048575 {
			return problemf(at+".minor", "is %d, want -1 (all) to 1048575", d.Minor)
		}
		if !validAccess(d.Access) {
			return problemf(at+".access", "is %q, want some of \"rwm\"", d.Access)
		}
		if d.Default && d.Minor == -1 {
			return problemf(at+".default", "is true, but a node needs one minor number")
		}
	}
	return nil
}

func validAccess(access string) bool {
	return access == "r" || access == "w" || access == "m" || access == "rw" || access == "rm" || access == "wm" ||
		access == "rwm"
}

// validateWidened wants a sentence for each rule. That the rules are widened is the loader's to tell: it has the base.
func (p Profile) validateWidened() error {
	rules := make([]string, 0, len(p.Widened))
	for rule := range p.Widened {
		rules = append(rules, rule)
	}
	slices.Sort(rules)
	for _, rule := range rules {
		if !slices.Contains(RuleIDs(), rule) {
			return problemf("widened."+rule, "names an unknown rule, want one of %s", strings.Join(RuleIDs(), ", "))
		}
		if len(strings.Fields(p.Widened[rule])) < 3 {
			return problemf("widened."+rule, "is %q, want the reason in at least three words", p.Widened[rule])
		}
	}
	return nil
}

// checkNames wants names that are all different and for which fault says nothing.
func checkNames(at string, entries []Entry, fault func(name string) string) error {
	seen := map[string]bool{}
	for i, e := range entries {
		if want := fault(e.Name); want != "" {
			return problemf(at+index(i)+".name", "is %q, want %s", e.Name, want)
		}
		if seen[e.Name] {
			return problemf(at+index(i)+".name", "is %q, which is there twice", e.Name)
		}
		seen[e.Name] = true
	}
	return nil
}

func checkPath(at, path string, seen map[string]bool) error {
	if !cleanAbs(path) {
		return problemf(at, "is %q, want an absolute path without \".\", \"..\" and double slashes", path)
	}
	if seen[path] {
		return problemf(at, "is %q, which is there twice", path)
	}
	seen[path] = true
	return nil
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }
