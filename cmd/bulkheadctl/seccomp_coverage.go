package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/profiles/cves"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

const seccompCoverageHelp = `Shows for each group of system calls what a profile leaves open, and which known flaws of the kernel it closes, beside the
profile that Docker 29 gives a container and bulkhead's default.

A flaw is closed when a call that its exploits need is denied, for all arguments with which they need it. A filter
compares 64 bits and the kernel reads 32 of most arguments: a condition that misses the upper half is no lock, and the flaw counts as open.
Flaws that take CAP_NET_ADMIN or CAP_SYS_ADMIN count as closed when no user namespace can be made, because the container has
neither. Open does not mean that the running kernel has the flaw: all in the table were corrected. They stand for
those that are not known yet.`

func seccompCoverageCommand() *cli.Command {
	flags := []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "list the open calls of every group, and the flaws that all three close"}}
	c := seccompSub("coverage", "show what a profile leaves open, and which known flaws it closes", "PROFILE", 1, -1, withTrailingFlags(seccompCoverage), flags...)
	c.Description = seccompCoverageHelp + "\n\n" + seccompHelp
	return c
}

// A seccompCovered is what a profile leaves open.
type seccompCovered struct {
	Name     string         `json:"name"`
	Arch     string         `json:"arch"`
	Compared []string       `json:"compared"`
	Groups   []coveredGroup `json:"groups"`
	// Open and Closed count the calls that the architecture has and the flaws of the table, in the order of Compared.
	Open   []int        `json:"open"`
	Closed []int        `json:"closed"`
	CVEs   []coveredCVE `json:"cves"`
}

// A coveredGroup is what is left open of a group. Any and Some have a number for each profile of Compared.
type coveredGroup struct {
	Group string `json:"group"`
	Calls int    `json:"calls"`
	Any   []int  `json:"any"`
	Some  []int  `json:"some"`
	// Open are the calls that the profile permits, those with conditions marked by a star.
	Open []string `json:"open"`
}

type coveredCVE struct {
	ID     string `json:"id"`
	What   string `json:"what"`
	Where  string `json:"where"`
	Source string `json:"source"`
	// Closed has an answer for each profile of Compared.
	Closed []bool `json:"closed"`
	// By are the ways of a need that the profile denies all; Via, when it is open, the ways that it permits.
	By  []string `json:"by,omitempty"`
	Via []string `json:"via,omitempty"`
}

// A comparedProfile is one that coverage judges.
type comparedProfile struct {
	name          string
	profile       seccomp.Profile
	architectures []specs.Arch
}

func seccompCoverage(ctx *cli.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("read arguments of seccomp coverage: got %d, see bulkheadctl seccomp coverage --help", len(args))
	}
	in, err := readSeccomp(ctx, args[0])
	if err != nil {
		return err
	}
	compared := []comparedProfile{{in[0].name, in[0].Profile, in[0].OCI.Architectures}}
	docker, err := cves.Docker()
	if err != nil {
		return err
	}
	own, err := profiles.SeccompProfileFor(profiles.DefaultName, in[0].Profile.Arch)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		s    *specs.LinuxSeccomp
	}{{cves.DockerName, docker}, {"bulkhead default", own}} {
		p, err := seccomp.FromOCI(c.s, in[0].Profile.Arch)
		if err != nil {
			return err
		}
		compared = append(compared, comparedProfile{c.name, p, c.s.Architectures})
	}
	v, err := coverage(compared)
	if err != nil {
		return err
	}
	return show(ctx, v, func(w io.Writer) { writeCoverage(w, outputWidth(), v, ctx.Bool("all")) })
}

func coverage(compared []comparedProfile) (seccompCovered, error) {
	v := seccompCovered{Name: compared[0].name, Arch: compared[0].profile.Arch, Open: make([]int, len(compared)), Closed: make([]int, len(compared))}
	for _, c := range compared {
		v.Compared = append(v.Compared, c.name)
	}
	rows, err := profiles.SeccompTable()
	if err != nil {
		return v, err
	}
	v.groups(compared, rows)
	table, err := cves.Table()
	if err != nil {
		return v, err
	}
	for _, c := range table {
		covered := coveredCVE{ID: c.ID, What: c.What, Where: c.Where, Source: c.Source}
		for i, p := range compared {
			by, via := p.closes(c)
			covered.Closed = append(covered.Closed, len(by) > 0)
			if i == 0 {
				covered.By, covered.Via = by, via
			}
			if len(by) > 0 {
				v.Closed[i]++
				if i == 0 {
					covered.Via = nil
				}
			}
		}
		v.CVEs = append(v.CVEs, covered)
	}
	return v, nil
}

// groups are those of bulkhead's table, in its order; a call belongs to the first group that has it.
func (v *seccompCovered) groups(compared []comparedProfile, rows []profiles.SeccompRow) {
	groupOf, order := map[string]string{}, []string(nil)
	for _, r := range rows {
		if !slices.Contains(order, r.Group) {
			order = append(order, r.Group)
		}
		for _, n := range r.Names {
			if groupOf[n] == "" {
				groupOf[n] = r.Group
			}
		}
	}
	groups := map[string]*coveredGroup{}
	for _, g := range append(order, otherGroup) {
		groups[g] = &coveredGroup{Group: g, Any: make([]int, len(compared)), Some: make([]int, len(compared)), Open: []string{}}
	}
	for _, name := range syscalls.Names(v.Arch) {
		g := groups[groupOf[name]]
		if g == nil {
			g = groups[otherGroup]
		}
		g.Calls++
		for i, p := range compared {
			some, any := p.permits(name)
			mark := name
			switch {
			case any:
				g.Any[i]++
			case some:
				g.Some[i]++
				mark += "*"
			default:
				continue
			}
			v.Open[i]++
			if i == 0 {
				g.Open = append(g.Open, mark)
			}
		}
	}
	for _, g := range append(order, otherGroup) {
		if groups[g].Calls > 0 {
			v.Groups = append(v.Groups, *groups[g])
		}
	}
}

// permits tells whether a call is permitted with some arguments, and with any.
func (p comparedProfile) permits(name string) (some, any bool) {
	c := p.profile.Call(name)
	switch {
	case len(c.Rules) == 0:
		any = p.profile.Default.Action.Permits()
	case unconditional(c):
		any = c.Rules[0].Verdict.Action.Permits()
	default:
		some = p.profile.Default.Action.Permits() || slices.ContainsFunc(c.Rules, func(r seccomp.Rule) bool { return r.Verdict.Action.Permits() })
	}
	return some || any, any
}

// closes gives the first need of which every way is denied; without one, the ways that are open.
func (p comparedProfile) closes(c cves.CVE) (by, via []string) {
	for _, need := range c.Needs {
		var open, all []string
		for _, w := range need {
			all = append(all, w.Text)
			if p.opens(w) {
				open = append(open, w.Text)
			}
		}
		if len(open) == 0 {
			return all, nil
		}
		via = append(via, open...)
	}
	return nil, via
}

// opens tells whether some arguments of a way pass the filter.
func (p comparedProfile) opens(w cves.Way) bool {
	if w.Compat != "" {
		some, _ := p.permits(w.Call)
		return some && p.takes(w.Compat)
	}
	if _, ok := syscalls.Number(p.profile.Arch, w.Call); !ok {
		return false
	}
	one := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{w.Call}, Action: specs.ActAllow, Args: w.Args}}}
	way, err := seccomp.FromOCI(one, p.profile.Arch)
	if err != nil {
		return true
	}
	call := p.profile
	call.Calls = nil
	if c := p.profile.Call(w.Call); len(c.Rules) > 0 {
		call.Calls = []seccomp.Call{c}
	}
	both, notes := seccomp.Intersect(way, call)
	return len(notes) > 0 || slices.ContainsFunc(both.Call(w.Call).Rules, func(r seccomp.Rule) bool { return r.Verdict.Action.Permits() })
}

// takes tells whether the filter lets calls of a compat architecture in: one that a profile does not name is killed.
func (p comparedProfile) takes(compat string) bool {
	want := map[string][]specs.Arch{"x32": {specs.ArchX32}, "32": {specs.ArchX86, specs.ArchARM}}[compat]
	native := map[string][]specs.Arch{"amd64": {specs.ArchX86, specs.ArchX32}, "arm64": {specs.ArchARM}}[p.profile.Arch]
	return slices.ContainsFunc(p.architectures, func(a specs.Arch) bool { return slices.Contains(want, a) && slices.Contains(native, a) })
}

func closedText(closed bool) string {
	if closed {
		return "closed"
	}
	return "open"
}

func wayText(ways []string) string { return strings.Join(ways, ", ") }
