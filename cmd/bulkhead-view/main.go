// Bulkhead-view shows a running container's root filesystem to the engine, with the owners and the contents that it has at that
// moment. bulkhead create starts it, in a user namespace with the container's IDs; nobody calls it by hand.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/bulkhead-runtime/bulkhead/rootview/serve"
)

// version and commit are set by the linker.
var version, commit = "dev", "unknown"

// The descriptors that create passes.
const (
	deviceFD  = 3 + iota // /dev/fuse, mounted
	rootFD               // the container's root
	gateFD               // one byte: the record has this process. Its end without one: create is dead
	programFD            // this program
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "bulkhead-view: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Printf("bulkhead-view version %s\ncommit: %s\n", version, commit)
		return nil
	}
	if len(os.Args) != 3 {
		return fmt.Errorf("started by hand: bulkhead create starts this program")
	}
	if os.Args[1] == "give-up" {
		return giveUp(os.Args[2])
	}
	if err := confine(); err != nil {
		return err
	}
	gate := os.NewFile(gateFD, "gate")
	if _, err := bufio.NewReaderSize(gate, 16).ReadByte(); err != nil {
		return nil //nolint:nilerr // create has not come through: there is nothing to serve
	}
	_ = gate.Close()
	return serve.Serve(os.NewFile(deviceFD, "/dev/fuse"), os.NewFile(rootFD, "root"))
}
