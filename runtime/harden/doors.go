package harden

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// Exec is Harden for a process that joins a running container. It puts proc into saved, the hardened spec of the
// container's create, and gives back saved with the hardened process. What proc leaves out, it inherits as with runc:
// capabilities, rlimits, labels, scheduling and the OOM score. p is the policy of the create; capabilities end at the
// container's own bounding set, and its no_new_privs holds.
//
// The error is a *Refusal when the request is at fault, and begins with "BUG:" when more than the process would
// change.
func Exec(saved *specs.Spec, proc *specs.Process, p Policy) (*specs.Spec, []Change, error) {
	if saved == nil || saved.Process == nil || saved.Linux == nil || saved.Root == nil || proc == nil {
		return nil, nil, refusal(p, []Violation{{Rule: "rootfs", Field: "process", Got: "incomplete", Want: "a process and the container's saved spec"}})
	}
	request := *saved
	request.Process = inherit(saved.Process, proc)
	p.running, p.apparmor = true, saved.Process.ApparmorProfile
	p.Profile = withinCreate(p.Profile, saved.Process)
	h, changes, err := Harden(&request, p)
	if err != nil {
		return nil, nil, err
	}
	rest := *h
	rest.Process = saved.Process
	if err := unchanged("exec", saved, &rest); err != nil {
		return nil, nil, err
	}
	return h, about(changes, "process."), nil
}

// withinCreate is the profile as far as create gave it to the container: what `--cap-drop` and no-new-privileges took away
// does not come back with an exec that asks for everything (`docker exec --privileged`).
func withinCreate(profile profiles.Profile, process *specs.Process) profiles.Profile {
	var bounding []string
	if process.Capabilities != nil {
		bounding = process.Capabilities.Bounding
	}
	profile.Capabilities = slices.DeleteFunc(slices.Clone(profile.Capabilities), func(e profiles.Entry) bool {
		return !slices.Contains(bounding, e.Name)
	})
	profile.NoNewPrivileges.On = profile.NoNewPrivileges.On || process.NoNewPrivileges
	return profile
}

// inherit is proc with what it leaves out taken from the container's process.
func inherit(from, proc *specs.Process) *specs.Process {
	to := *proc
	if to.Capabilities == nil {
		to.Capabilities = from.Capabilities
	}
	if len(to.Rlimits) == 0 {
		to.Rlimits = from.Rlimits
	}
	if to.ApparmorProfile == "" {
		to.ApparmorProfile = from.ApparmorProfile
	}
	if to.SelinuxLabel == "" {
		to.SelinuxLabel = from.SelinuxLabel
	}
	if to.OOMScoreAdj == nil {
		to.OOMScoreAdj = from.OOMScoreAdj
	}
	if to.Scheduler == nil {
		to.Scheduler = from.Scheduler
	}
	if to.IOPriority == nil {
		to.IOPriority = from.IOPriority
	}
	if to.ExecCPUAffinity == nil {
		to.ExecCPUAffinity = from.ExecCPUAffinity
	}
	return &to
}

// Update is Harden for new limits of a running container. It merges res into saved, the hardened spec of the
// container's create or last update, field by field, and gives back saved with the hardened resources. What res leaves
// out does not change, and neither does a device rule: runc applies none in an update. p is the policy of the create
// with the host's present capacity.
//
// The error is a *Refusal when the request is at fault, and begins with "BUG:" when more than the resources would
// change.
func Update(saved *specs.Spec, res *specs.LinuxResources, p Policy) (*specs.Spec, []Change, error) {
	if saved == nil || saved.Process == nil || saved.Linux == nil || saved.Root == nil || res == nil {
		return nil, nil, refusal(p, []Violation{{Rule: "limits", Field: "linux.resources", Got: "incomplete", Want: "resources and the container's saved spec"}})
	}
	request := clone(saved)
	if request.Linux.Resources == nil {
		request.Linux.Resources = &specs.LinuxResources{}
	}
	asked := *res
	asked.Devices = nil
	merge(reflect.ValueOf(request.Linux.Resources).Elem(), reflect.ValueOf(asked), "")
	p.running = true
	h, changes, err := Harden(request, p)
	if err != nil {
		return nil, nil, err
	}
	rest, linux := *h, *h.Linux
	linux.Resources = saved.Linux.Resources
	rest.Linux = &linux
	if err := unchanged("update", saved, &rest); err != nil {
		return nil, nil, err
	}
	return h, about(changes, "linux.resources."), nil
}

// zeroUnset are the numbers of an update that mean "as it is" when they are 0: engines send all of them.
var zeroUnset = [...]string{
	".Memory.Limit", ".Memory.Reservation", ".Memory.Swap", ".Memory.Kernel", ".Memory.KernelTCP",
	".CPU.Shares", ".CPU.Quota", ".CPU.Period", ".CPU.RealtimeRuntime", ".CPU.RealtimePeriod",
	".Pids.Limit", ".BlockIO.Weight", ".BlockIO.LeafWeight",
}

// merge sets in to what from has. Structures are merged field by field, maps key by key, and everything else is
// replaced when from has it.
func merge(to, from reflect.Value, path string) {
	switch from.Kind() {
	case reflect.Struct:
		for i := range from.NumField() {
			merge(to.Field(i), from.Field(i), path+"."+from.Type().Field(i).Name)
		}
	case reflect.Pointer:
		mergePointer(to, from, path)
	case reflect.Map:
		if from.Len() > 0 && to.IsNil() {
			to.Set(reflect.MakeMap(from.Type()))
		}
		for it := from.MapRange(); it.Next(); {
			v := reflect.New(from.Type().Elem()).Elem()
			copyInto(v, it.Value())
			to.SetMapIndex(it.Key(), v)
		}
	default:
		if !from.IsZero() {
			copyInto(to, from)
		}
	}
}

func mergePointer(to, from reflect.Value, path string) {
	if from.IsNil() {
		return
	}
	if from.Elem().Kind() != reflect.Struct {
		for _, name := range zeroUnset {
			if name == path && from.Elem().IsZero() {
				return
			}
		}
		copyInto(to, from)
		return
	}
	merged := reflect.New(from.Type().Elem())
	if !to.IsNil() {
		merged = to
	}
	merge(merged.Elem(), from.Elem(), path)
	if !merged.Elem().IsZero() {
		to.Set(merged)
	}
}

// unchanged is the promise that a request for one part changes that part alone.
func unchanged(door string, saved, got *specs.Spec) error {
	a, b := reflect.ValueOf(saved).Elem(), reflect.ValueOf(got).Elem()
	for i := range a.NumField() {
		if !equal(a.Field(i).Interface(), b.Field(i).Interface()) {
			return fmt.Errorf("BUG: %s of a hardened container changed %s", door, a.Type().Field(i).Name)
		}
	}
	return nil
}

// equal compares as a record on disk would: an absent list and an empty one are the same.
func equal(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// about are the changes of properties below a prefix: what create noted of the rest is on record already.
func about(changes []Change, prefix string) []Change {
	return slices.DeleteFunc(changes, func(c Change) bool { return !strings.HasPrefix(c.Field, prefix) })
}
