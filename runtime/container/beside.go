package container

import (
	"encoding/json"
	"io"

	"github.com/opencontainers/runc/libcontainer"
)

// beside runs f beside what the caller does next, and gives a function that waits for its result. Create's own steps stay
// in one order; only work that touches nothing shared is moved beside them, because a container waits for each of them.
func beside[T any](f func() (T, error)) (wait func() (T, error)) {
	done := make(chan struct{})
	var v T
	var err error
	go func() {
		defer close(done)
		v, err = f()
	}()
	return func() (T, error) {
		<-done
		return v, err
	}
}

// warmEncoder builds encoding/json's tables for libcontainer's state and configuration, which create writes at its end. They take
// half a millisecond, which otherwise falls between the container's processes waiting for one another.
func warmEncoder() {
	go func() { _ = json.NewEncoder(io.Discard).Encode(&libcontainer.State{}) }()
}
