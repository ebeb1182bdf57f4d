package userns

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// noSetuidFixup is SECBIT_NO_SETUID_FIXUP of capabilities(7): a change of the file system user ID keeps the capabilities.
const noSetuidFixup = 1 << 2

// withFSID runs f with the calling thread's file system user and group ID set to id, and its capabilities kept.
//
// An overlay keeps the credentials of the thread that makes it and uses them for whiteouts, copies and its work directory.
// Host ID 0 has no ID below an idmapped upper directory (EOVERFLOW, and the overlay silently becomes read-only); the first
// ID of the range has: 0. The kernel keeps the old credentials' capabilities, so the overlay can do what it must.
func withFSID(id uint32, f func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("get secure bits: %w", err)
	}
	if bits&noSetuidFixup == 0 {
		if err := unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits|noSetuidFixup), 0, 0, 0); err != nil {
			return fmt.Errorf("set secure bit no_setuid_fixup: %w", err)
		}
		defer func() {
			if back := unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits), 0, 0, 0); back != nil {
				err = errors.Join(err, fmt.Errorf("restore secure bits: %w", back))
			}
		}()
	}
	uid, gid, err := swapFSID(int(id), int(id))
	// Also after a half change: what was is put back.
	defer func() {
		if _, _, back := swapFSID(uid, gid); back != nil {
			err = errors.Join(err, fmt.Errorf("restore: %w", back))
		}
	}()
	if err != nil {
		return err
	}
	return f()
}

// swapFSID sets both IDs and gives those that were. setfsuid(2) reports no error, so the result is read back.
func swapFSID(uid, gid int) (oldUID, oldGID int, err error) {
	oldUID, err = unix.SetfsuidRetUid(uid)
	if err != nil {
		return 0, 0, fmt.Errorf("set file system user ID: %w", err)
	}
	oldGID, err = unix.SetfsgidRetGid(gid)
	if err != nil {
		return oldUID, 0, fmt.Errorf("set file system group ID: %w", err)
	}
	nowUID, _ := unix.SetfsuidRetUid(-1)
	nowGID, _ := unix.SetfsgidRetGid(-1)
	if nowUID != uid || nowGID != gid {
		return oldUID, oldGID, fmt.Errorf("set file system IDs to %d:%d: they are %d:%d", uid, gid, nowUID, nowGID)
	}
	return oldUID, oldGID, nil
}
