package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/seccomp/notify"
	"github.com/bulkhead-runtime/bulkhead/seccomp/record"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// byNotification tells whether record is to use user notification: because it was asked for, or because there is no BPF.
func byNotification(ctx *cli.Context) bool {
	switch ctx.String("recorder") {
	case recording.ByNotify:
		return true
	case recording.ByBPF:
		return false
	}
	return len(ctx.StringSlice("known")) > 0 || ctx.Bool("direct") || os.Geteuid() != 0 || record.Available() != nil
}

// recordNotified runs a workload and records it by user notification.
func recordNotified(ctx *cli.Context) error {
	w, err := newWorkload(ctx, 0)
	if err != nil {
		return err
	}
	handedOver := notify.HandedOver()
	if w.direct {
		handedOver = nil
		if ctx.String("output") == "" && os.Geteuid() != 0 {
			return fmt.Errorf("record: %s is root's, so name a file with --output", recordingsDir)
		}
	}
	var known []*recording.Recording
	for _, file := range ctx.StringSlice("known") {
		r, err := recording.Read(file)
		if err != nil {
			return err
		}
		if r.GOARCH() != runtime.GOARCH {
			return fmt.Errorf("read --known: %s is of %s, not of this machine", file, r.Architecture)
		}
		known = append(known, r)
	}
	quiet, unseen := notify.Quiet(runtime.GOARCH, handedOver, known...)
	f, err := beginNotified(ctx, w, notify.NewRecorder(unseen, time.Now))
	if err != nil {
		return err
	}
	fmt.Fprintf(ctx.App.ErrWriter, "recording into %s\n", f.file)
	status, err := w.watch(nil, quiet, f.recorder)
	if err = errors.Join(err, f.finish()); err == nil {
		fmt.Fprintf(ctx.App.ErrWriter, "%s: %s notified, %d let pass unseen; those that are denied do not reach this recorder\n",
			f.file, count(len(f.rec.Calls), "system call"), len(f.rec.Unseen))
	}
	if err != nil || status != 0 {
		return &statusError{max(status, 1), err}
	}
	return nil
}

// A notifiedFile is the file of a recorder by notification, written every second while there is something new.
type notifiedFile struct {
	recorder *notify.Recorder
	file     string
	entry    *recorderEntry

	rec  recording.Recording
	stop chan struct{}
	done chan error
}

func beginNotified(ctx *cli.Context, w *workload, r *notify.Recorder) (*notifiedFile, error) {
	f := &notifiedFile{recorder: r, stop: make(chan struct{}), done: make(chan error, 1)}
	name := ctx.String("name")
	if name == "" {
		name = w.id
	}
	if name == "" {
		name = fileName(w.args[0])
	}
	f.rec = recording.Recording{Version: recording.Version, Name: name, Container: w.id, Command: w.command(), Runtime: version, Profile: w.profile.Name}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		f.rec.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if w.bundle == "" {
		f.rec.Libc = record.Libc(os.Getpid(), w.args, os.Environ(), "")
	}
	var err error
	if f.file, err = newRecordingFile(container.RecordRequest{RecordOptions: container.RecordOptions{File: ctx.String("output"), Name: name}}); err != nil {
		return nil, err
	}
	if err := f.write(false); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		cfg, err := loadConfig()
		if err != nil {
			return nil, err
		}
		if f.entry, err = enterRecorder(cfg.StateDir, recorderEntry{PID: os.Getpid(), Name: name, Container: w.id, File: f.file}); err != nil {
			return nil, err
		}
	}
	marks := make(chan os.Signal, 1)
	signal.Notify(marks, unix.SIGUSR1)
	go f.keep(marks)
	return f, nil
}

// keep writes the file until finish.
func (f *notifiedFile) keep(marks <-chan os.Signal) {
	tick := time.NewTicker(recordPause)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			f.done <- nil
			return
		case <-marks:
			_ = f.recorder.Mark()
		case <-tick.C:
			if err := f.write(false); err != nil {
				<-f.stop
				f.done <- err
				return
			}
		}
	}
}

// write writes the file if there is something new. Until the last write it says of itself that it was cut short.
func (f *notifiedFile) write(last bool) error {
	changed, err := f.recorder.Read(&f.rec, time.Now())
	if err != nil || !changed && !last && f.rec.Losses.CutShort {
		return err
	}
	f.rec.Losses.CutShort = !last
	write := recording.Write
	if last {
		write, f.rec.Ended = recording.WriteDurably, time.Now().Round(0).UTC()
	}
	return write(f.file, &f.rec)
}

// finish completes the file. A workload that never began leaves none.
func (f *notifiedFile) finish() error {
	close(f.stop)
	err := <-f.done
	began, _ := f.recorder.Began()
	if !began {
		return errors.Join(err, os.Remove(f.file), f.leave())
	}
	return errors.Join(err, f.write(true), f.leave())
}

func (f *notifiedFile) leave() error {
	if f.entry == nil {
		return nil
	}
	return f.entry.leave()
}
