// Package seccomp is the algebra of OCI seccomp profiles: parse, intersect, compare, print, and the verdict that a
// profile gives for a system call. It is pure Go: what needs libseccomp is in seccomp/compile.
//
// # What a profile means
//
// A [Profile] says what libcontainer and libseccomp really do with the OCI form, not what the JSON seems to say:
//
//   - a rule whose action (and errno) is the default one is skipped, so it never overrides another rule
//   - a call with an unconditional rule ignores its conditional rules, whatever their order; of several unconditional
//     rules the first counts
//   - an entry whose args name an index twice is as many rules as it has args, each with one condition (OR, not AND)
//   - conditions compare 64 bits; MASKED_EQ ignores the bits of valueTwo that the mask (value) does not cover
//   - a call whose conditional rules all miss gets the default action: there is no action per call for the rest
//   - where conditional rules with different actions overlap, libseccomp's answer depends on the order of its tree. The
//     model gives the strictest action, and [Profile.ToOCI] prints rules that no longer overlap
//
// # Numbers that no name stands for
//
// libcontainer puts a stub in front of the filter that answers ENOSYS for every number above the largest one that the
// profile names and libseccomp knows, unless the default action permits. So the boundary moves with the profile. To be
// independent of it, [Intersect] writes an explicit ENOSYS rule for every call in [Probed] that the result does not
// permit: the calls that C libraries try first and replace with an older call only after ENOSYS. What is newer than
// libseccomp's own table is above the boundary and gets ENOSYS from the stub. x32 numbers and foreign architectures
// never reach the rules: libseccomp kills the thread.
package seccomp
