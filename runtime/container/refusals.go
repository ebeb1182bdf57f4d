package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// A LoggedRefusal is a line of the refusal log. A refused container leaves nothing else behind that could be explained.
type LoggedRefusal struct {
	Time    time.Time       `json:"time"`
	Door    string          `json:"door"` // create, exec or update
	ID      string          `json:"id"`
	Bundle  string          `json:"bundle"`
	Refusal *harden.Refusal `json:"refusal"`
}

// logRefusal appends a refusal to the bounded log. It is best effort: the caller has the error anyway.
func (r *Runtime) logRefusal(door, id, bundle string, err error) {
	var refusal *harden.Refusal
	if !errors.As(err, &refusal) {
		return
	}
	line, err := json.Marshal(LoggedRefusal{Time: time.Now().UTC(), Door: door, ID: id, Bundle: bundle, Refusal: refusal})
	if err == nil {
		err = appendBounded(r.Config.RefusalLog.Path, append(line, '\n'), r.Config.RefusalLog.MaxBytes)
	}
	if err != nil {
		logrus.Debugf("log refusal: %v", err)
	}
}

// appendBounded appends under a lock. A log that has reached its bound becomes PATH.1, and a new one begins: the newest
// refusals are always there, and the two together never exceed twice the bound.
func appendBounded(path string, line []byte, limit int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %q: %w", path, err)
	}
	if st, err := f.Stat(); err == nil && st.Size()+int64(len(line)) > limit {
		if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		next, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		defer next.Close()
		f = next
	}
	_, err = f.Write(line)
	return err
}
