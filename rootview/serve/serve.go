// Package serve shows a container's root filesystem to a FUSE mount, file by file, as it is at that moment: nothing is
// cached, neither here nor in the kernel.
//
// The container is hostile and changes the tree meanwhile. So every file is known by an open O_PATH descriptor, names are
// looked up one component at a time below the descriptor of their directory, never across a mount and never through a symbolic
// link, and only regular files and directories are opened for reading or writing. The process is expected to live in a user
// namespace whose IDs are the container's: the kernel then translates owners, ACLs and capabilities of files, and a mistake
// here can do no more than a process in the container could.
package serve

import (
	"fmt"
	"io"
	"log"
	"os"
	"runtime"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// maxWrite is the largest write or read of one request, in bytes. It bounds the memory of the requests under way.
const maxWrite = 128 << 10

// maxUnderWay bounds the memory for requests that are read and not answered, in bytes.
const maxUnderWay = 4 << 20

// Serve answers the requests of the FUSE connection device (an open /dev/fuse that was given to a mount) from the directory
// root, until the mount is gone. Both stay open until then.
//
// The working directory must be /proc/self/fd of this process: the extended attributes of a file that is only open
// with O_PATH are reached by that name. The umask must be 0.
func Serve(device, root *os.File) error {
	fs, err := newTree(int(root.Fd()))
	if err != nil {
		return err
	}
	server, err := fuse.NewServer(fs, fmt.Sprintf("/dev/fd/%d", device.Fd()), &fuse.MountOptions{
		MaxWrite:                maxWrite,
		MaxInflightRequestBytes: maxUnderWay,
		MaxBackground:           8,
		DisableReadDirPlus:      true,
		DisableSplice:           true,
		Name:                    "bulkhead",
		Logger:                  log.New(io.Discard, "", 0),
		PanicHandler:            func(any) fuse.Status { return fuse.EIO },
	})
	if err != nil {
		return fmt.Errorf("answer the kernel: %w", err)
	}
	server.Serve()
	// Both are used by their numbers: collected as garbage they would be closed.
	runtime.KeepAlive(device)
	runtime.KeepAlive(root)
	return nil
}

// status is the kernel's word for an error of a system call.
func status(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	if errno, ok := err.(unix.Errno); ok { //nolint:errorlint // raw system calls give nothing else
		return fuse.Status(errno)
	}
	return fuse.EIO
}
