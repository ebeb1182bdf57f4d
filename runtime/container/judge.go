package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// A Judgement is what create would decide about a bundle.
type Judgement struct {
	ID      string `json:"id"`
	Bundle  string `json:"bundle"`
	Profile string `json:"profile"`
	// Widened has the written reasons of a site's profile, by rule.
	Widened map[string]string `json:"widened,omitempty"`
	// Range is one that create could lease; another one may be taken when it comes to it. Zero when the caller brings a
	// user namespace of its own.
	Range userns.Range `json:"range"`
	// Refusal is set when create would refuse. Changes and Spec are empty then.
	Refusal *harden.Refusal `json:"refusal,omitempty"`
	Changes []harden.Change `json:"changes,omitempty"`
	Spec    *specs.Spec     `json:"spec,omitempty"`
}

// Judge runs the steps of create that decide, by the same code, and none that has an effect: no lease, no mount, no line
// in the refusal log. An empty id is the name of the bundle's directory, as engines call it. The error is about what
// cannot be judged at all: a broken config.json, an unknown profile. An overlay as a mount, which create has to mount before it can be
// judged, counts as refused. Not guaranteed: that the container then starts; the
// host may lack what it needs.
//
// The working directory of the process is the bundle's for a moment.
func (r *Runtime) Judge(dir, id string) (_ *Judgement, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("judge bundle: %w", err)
	}
	if id == "" {
		id = filepath.Base(dir)
	}
	if checkID(id) != nil {
		id = "unnamed"
	}
	back, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("judge bundle: %w", err)
	}
	defer func() { err = errors.Join(err, os.Chdir(back)) }()
	c := &creation{Runtime: r, o: CreateOptions{ID: id, Bundle: dir}, rec: &Record{Holding: Holding{ID: id}}}
	defer c.close()
	for _, step := range []func() error{c.load, c.look, c.supposeRange} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	j := &Judgement{ID: id, Bundle: c.o.Bundle, Profile: c.policy.Profile.Name, Widened: c.policy.Profile.Widened, Range: c.policy.Range}
	err = c.decide()
	if errors.As(err, &j.Refusal) {
		return j, nil
	}
	j.Changes, j.Spec = c.rec.Changes, c.hardened
	return j, err
}

// supposeRange gives the policy a range that a lease could give.
func (c *creation) supposeRange() error {
	if len(c.policy.Facts.OwnUIDs) > 0 {
		return c.joinSibling(userns.Range{})
	}
	if harden.OwnUserNamespace(c.asked, c.policy.Facts) {
		return c.checkOwnMapping()
	}
	if r, ok := joinedRange(c.policy.Facts); ok {
		return c.joinSibling(r)
	}
	pools, err := userns.HostPools()
	if err != nil {
		return err
	}
	size := c.policy.Profile.UserNamespace.Size
	r, ok := userns.Find(pools, nil, size)
	if !ok {
		return &userns.ExhaustedError{ID: c.o.ID, Size: size, Pools: pools}
	}
	c.policy.Range = r
	return nil
}
