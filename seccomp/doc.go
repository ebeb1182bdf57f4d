// Package seccomp is the algebra of OCI seccomp profiles: parse, intersect, compare, compile, and the verdict that a
// profile gives for a system call.
package seccomp
