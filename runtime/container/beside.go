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

// warmEncoders builds encoding/json's tables for what create writes at its end: libcontainer's state and configuration, and
// the record. They take a millisecond, which otherwise falls between the container's processes waiting for one another.
func warmEncoders() {
	go func() {
		_ = json.NewEncoder(io.Discard).Encode(&libcontainer.State{})
		_ = json.NewEncoder(io.Discard).Encode(&Decision{})
	}()
}
