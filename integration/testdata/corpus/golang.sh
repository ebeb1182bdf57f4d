#!/bin/sh
# The Go tool chain builds, tests and runs a program. Ends with "all done". NORUN: what was built is not run.
set -eu
export HOME="$1" GOCACHE="$1/cache" GOFLAGS=-mod=mod GOPROXY=off CGO_ENABLED=0 TMPDIR="$1"
mkdir "$1/hello"; cd "$1/hello"
cat >hello.go <<'G'
package main

import "fmt"

func double(n int) int { return 2 * n }

func main() { fmt.Println("hello", double(21)) }
G
printf 'package main\n\nimport "testing"\n\nfunc TestDouble(t *testing.T) {\n\tif double(2) != 4 {\n\t\tt.Fatal()\n\t}\n}\n' >hello_test.go
go mod init hello 2>/dev/null
go build -o hello .
[ -n "${NORUN:-}" ] || { ./hello | grep 'hello 42'; go test .; }
echo all done
