package generate

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// addCompat says what becomes of calls of other architectures, and names them in the OCI form where that was asked for.
func (w *wants) addCompat(r *Result, compat []recording.Call) {
	byArch := map[string][]recording.Call{}
	var archs []string
	for _, c := range compat {
		if byArch[c.Architecture] == nil {
			archs = append(archs, c.Architecture)
		}
		byArch[c.Architecture] = append(byArch[c.Architecture], c)
	}
	var names []string
	for _, arch := range archs {
		if !w.options.Compat {
			for _, c := range byArch[arch] {
				r.Report.Beyond = append(r.Report.Beyond, Beyond{Call: c.String(), Count: c.Count(), Why: "bulkhead's filters are for the native architecture: others kill the thread"})
			}
			continue
		}
		r.OCI.Architectures = append(r.OCI.Architectures, specs.Arch(arch))
		for _, c := range byArch[arch] {
			if c.Name != "" {
				names = append(names, c.Name)
			}
		}
		r.Report.Warnings = append(r.Report.Warnings, fmt.Sprintf("the profile names %s for other runtimes: a profile has one list of rules for all its architectures, "+
			"so each permits the calls of the other, socketcall cannot be filtered by argument, and bulkhead loads the native part only", arch))
	}
	if len(names) > 0 {
		slices.Sort(names)
		r.OCI.Syscalls = append(r.OCI.Syscalls, specs.LinuxSyscall{Names: slices.Compact(names), Action: specs.ActAllow})
	}
}
