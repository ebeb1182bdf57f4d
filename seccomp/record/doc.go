// Package record watches what system calls a running workload makes. It only looks on: it stops nothing, changes nothing in
// the container, and needs no audit daemon, no compiler and no kernel headers.
//
// # Denied calls
//
// [WatchDenials] tells which calls of a container its seccomp filter denies. The kernel runs the filter before the sys_enter
// tracepoint and skips the call when the filter denies it, but it passes sys_exit in every case (kernel/entry/common.c). So
// a sys_exit without a sys_enter of the same thread is a denied call, also when the program hides the error. Two small BPF
// programs pair them, and they count in the kernel: no event can be lost between kernel and reader. They are put together
// here from instructions, with field offsets out of the running kernel's BTF.
//
// A thread that was already there when the watcher came may end a call that began before. The first exit of each thread is
// therefore held against the profile, and counts when the profile denies the call; that of a call which only a filter of the
// process's own denies does not. A call that did not run because a tracer held its thread until it was killed does not count
// either: the filter had let it pass.
//
// What the filter lets pass but another check of the kernel refuses (a capability, file modes, an LSM) is not a denied call.
//
// # All calls
//
// [NewRecorder] counts every call of a workload, with the arguments that recording.ArgumentsOf names. Its programs follow tasks:
// one becomes part of the workload when it executes a program in the container's mount namespace under the container's filter,
// and its children from their beginning on. What the runtime did before is out, and so is what an operator sends there.
//
// # Limits
//
// To the watcher of denied calls a container is known by its mount namespace. No profile that bulkhead ships lets a process make or enter another one; under
// a site's profile that does, such a process is out of sight. While a watcher is attached every thread of the host
// takes the slower way into the kernel, as with any use of these tracepoints.
package record
