package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

func TestJudgeDelegation(t *testing.T) {
	tests := []struct {
		d     container.Delegation
		err   error
		state string
		words []string
	}{
		{container.Delegation{}, nil, stateOK, []string{"all controllers are delegated at /c"}},
		{container.Delegation{Missing: []string{"cpuset", "io"}}, nil, stateOK, []string{"delegated at /c, without cpuset, io", "limits of cpuset, io do not hold"}},
		{container.Delegation{Missing: []string{"cpu", "io"}}, nil, stateLimited, []string{"without cpu, io", "Delegate=cpu cpuset io memory pids"}},
		{container.Delegation{None: "this user may not"}, nil, stateLimited, []string{"this user may not", "no limit of a container holds", "enable-linger"}},
		{container.Delegation{}, errors.New("read it: cause"), stateLimited, []string{"read it: cause", "no limit of a container holds"}},
	}
	for _, tt := range tests {
		c := judgeDelegation("/c", tt.d, tt.err)
		if c.State != tt.state {
			t.Errorf("%+v: state is %s, want %s", tt.d, c.State, tt.state)
		}
		for _, w := range tt.words {
			if !strings.Contains(c.Found+" "+c.Means+" "+c.Do, w) {
				t.Errorf("%+v: want %q in %+v", tt.d, w, c)
			}
		}
	}
}

func TestIDsCheck(t *testing.T) {
	for _, tt := range []struct {
		own          []bundle.IDMap
		state, found string
	}{
		{[]bundle.IDMap{{Size: 1}, {ContainerID: 1, Size: 65536}}, stateOK, "65537"},
		{[]bundle.IDMap{{Size: 1}, {ContainerID: 1, Size: 1000}}, stateLimited, "1001"},
	} {
		if c := idsCheck(tt.own); c.State != tt.state || c.Found != tt.found {
			t.Errorf("got %+v", c)
		}
	}
	s := subordinates{uids: []userns.Range{{Start: 100000, Size: 65536}}, gids: []userns.Range{{Start: 100000, Size: 1000}}}
	if c := s.check("me"); c.State != stateLimited || !strings.Contains(c.Do, "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 me ") {
		t.Errorf("got %+v", c)
	}
}

func TestUserBus(t *testing.T) {
	for _, tt := range []struct{ address, dir, want, err string }{
		{"unix:path=/a/bus,guid=1", "/run/user/5", "/a/bus", ""},
		{"unix:abstract=/x;unix:path=/b", "", "/b", ""},
		{"tcp:host=h", "/run/user/5", "", `find the user's bus: DBUS_SESSION_BUS_ADDRESS is "tcp:host=h", want unix:path=`},
		{"", "/run/user/5", "/run/user/5/bus", ""},
		{"", "", "", "find the user's bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set"},
	} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", tt.address)
		t.Setenv("XDG_RUNTIME_DIR", tt.dir)
		got, err := userBus()
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%+v: got %q, %v", tt, got, err)
		}
	}
}
