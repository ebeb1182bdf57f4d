package bundle

import (
	"errors"

	"golang.org/x/sys/unix"
)

// A plainError is a system error in words that no engine takes for another failure: Docker makes exit code 127 of
// "no such file or directory" and 126 of "permission denied".
type plainError struct {
	words string
	cause error
}

func (e *plainError) Error() string { return e.words }
func (e *plainError) Unwrap() error { return e.cause }

// plain puts a system error in other words. The errno stays in the chain.
func plain(err error) error {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err
	}
	return &plainError{words: plainWords(errno), cause: errno}
}

func plainWords(errno unix.Errno) string {
	switch errno {
	case unix.ENOENT:
		return "not found"
	case unix.EACCES, unix.EPERM:
		return "not accessible to the runtime"
	case unix.ENOTDIR:
		return "a part of the path is not a folder"
	case unix.EISDIR:
		return "a folder"
	case unix.ELOOP:
		return "too many symbolic links"
	case unix.ESRCH:
		return "the process is gone"
	}
	return errno.Error()
}
