package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write puts a recording into a file, mode 0600 because command lines hold secrets. The file is replaced as a whole: a reader, and who
// looks after a crash of the writer, finds the old recording or the new one. After a crash of the machine it may be an older one;
// [WriteDurably] waits for the disk. One process writes a file at a time. What [Recording.Check] objects to is not written.
func Write(file string, r *Recording) error { return write(file, r, false) }

// WriteDurably is [Write] that returns when the file and its name are on the disk: for the last state of a recording.
func WriteDurably(file string, r *Recording) error { return write(file, r, true) }

// Text is what [Write] puts into a file: the same recording gives the same bytes.
func Text(r *Recording) ([]byte, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	out := *r
	if out.Calls == nil {
		out.Calls = []Call{} // a recording without calls has an empty list, not null
	}
	text, err := json.MarshalIndent(out, "", " ")
	return append(text, '\n'), err
}

func write(file string, r *Recording, durable bool) error {
	text, err := Text(r)
	if err != nil {
		return fmt.Errorf("write recording %q: %w", file, err)
	}
	// One name for the temporary file, so that a crash leaves at most one, which the next write removes.
	dir, base := filepath.Split(file)
	temp := dir + "." + base + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("write recording: %w", err)
	}
	if err := writeNew(temp, text, durable); err != nil {
		return fmt.Errorf("write recording: %w", errors.Join(err, removeIfThere(temp)))
	}
	if err := os.Rename(temp, file); err != nil {
		return fmt.Errorf("write recording: %w", errors.Join(err, removeIfThere(temp)))
	}
	if durable {
		return syncDirectory(dir)
	}
	return nil
}

func writeNew(file string, text []byte, durable bool) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && durable {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func removeIfThere(file string) error {
	if err := os.Remove(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func syncDirectory(dir string) error {
	if dir == "" {
		dir = "."
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	return nil
}
