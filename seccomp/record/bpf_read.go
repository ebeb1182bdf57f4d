package record

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func (t tally) plus(u tally) tally { return tally{t.Count + u.Count, max(t.Last, u.Last)} }

// read gives the table of events. Nothing is taken out: an event that is being counted meanwhile would be lost.
func (p *probe) read() (map[event]tally, error) {
	out := map[event]tally{}
	var e event
	var t tally
	it := p.maps.events.Iterate()
	for it.Next(&e, &t) {
		out[e] = t
	}
	return out, it.Err()
}

// readCrowd gives what was counted by number alone.
func (p *probe) readCrowd() (map[uint32]uint64, error) {
	out := map[uint32]uint64{}
	var number uint32
	var n uint64
	it := p.maps.crowd.Iterate()
	for it.Next(&number, &n) {
		if n > 0 {
			out[number] = n
		}
	}
	return out, it.Err()
}

// initialPIDNamespace is PROC_PID_INIT_INO of linux/proc_ns.h.
const initialPIDNamespace = 0xeffffffc

// ended holds what the table of events had about processes that ended, without their PIDs, so that the table does not fill up
// however long a container that starts processes all the time is watched.
type ended struct {
	events map[event]tally
	crowd  map[uint32]uint64
}

// sweep takes the events of ended processes out of the table and out of events. Nobody counts for them any more.
func (g *ended) sweep(table *ebpf.Map, events map[event]tally) error {
	var self unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &self); err != nil {
		return err
	}
	if self.Ino != initialPIDNamespace {
		return nil // here PIDs are others than in the events
	}
	if g.events == nil {
		g.events, g.crowd = map[event]tally{}, map[uint32]uint64{}
	}
	for e := range events {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", e.PID)); !errors.Is(err, os.ErrNotExist) {
			continue
		}
		var t tally
		if err := table.LookupAndDelete(&e, &t); err != nil {
			return err
		}
		delete(events, e)
		g.add(e, t)
	}
	return nil
}

func (g *ended) add(e event, t tally) {
	e.PID, e.ContainerPID = 0, 0
	if _, ok := g.events[e]; !ok && len(g.events) >= maxEvents {
		g.crowd[min(e.Number, numbers-1)] += t.Count
		return
	}
	g.events[e] = g.events[e].plus(t)
}
