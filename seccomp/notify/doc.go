// Package notify watches the system calls of a workload by seccomp user notification (seccomp_unotify(2)): where BPF is not to be
// had, without any privilege, and where an unknown call has to be noted before it runs.
//
// # How it works
//
// The workload runs under one filter, made by [seccomp.Watch] of what its hardening permits and of what is known already. A call
// that the hardening denies is denied in the kernel and never gets here. A known call runs. Every other call waits until this
// package has answered: with SECCOMP_USER_NOTIF_FLAG_CONTINUE, or with an errno.
//
// Continuing is not a security boundary, and nothing here uses it as one: the filter alone decides what is at most permitted. What
// is recorded are the registers that the kernel copied when it stopped the call. No memory of the workload is read, so there
// is nothing to race for.
//
// # What it costs, and how that gets less
//
// A notified call takes about 5 microseconds longer. A loaded filter cannot be loosened, and a program inherits it, so within one
// run nothing can be learned: the next run is given the recordings so far ([Quiet]), and only what they do not have is
// notified. What was let pass is in the new recording as unseen, with its arguments, so that a profile made of the new one
// alone has it as well. Counts are of notified calls only.
//
// # When the recorder dies
//
// The kernel answers ENOSYS for a call that nobody can be asked about: the workload gets less than before, never more. A command
// that [Launch] started is killed with its recorder; its descendants, and a container, go on without those calls.
//
// # Limits
//
// The kernel allows one listener for a process and its filters: a workload that wants its own gets EBUSY, and a recorder inside of
// a container that has one fails with it. A call that a signal interrupts before it is answered may be notified again; only
// answered ones count. From Linux 5.19 on a command's filter is loaded with SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, and a notified call
// waits through signals, which Go's runtime sends to its threads all the time.
package notify
