package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

const dockerConfig = "/etc/docker/daemon.json"

const installHelp = `Adds the runtime to the configuration of the Docker daemon. Everything else in the file stays as it is, byte for byte;
a backup is left beside it. Running it again changes nothing.

With --profile NAME a second runtime, bulkhead-NAME, is added. It is a link to the program beside the program: the name
that it is called by selects the profile. (runtimeArgs would do too, but the daemon then puts a shell script between itself
and the runtime, on a file system that may be mounted noexec, and containerd's BinaryName takes no arguments at all.)

With --recorder a runtime bulkhead-record is added in the same way (bulkhead-record-NAME with --profile NAME). Its containers are
hardened as always, and their system calls recorded: see bulkheadctl seccomp record.

With --require-generated a runtime bulkhead-generated is added in the same way (bulkhead-generated-NAME with --profile NAME). It refuses
containers whose filter is not within a seccomp profile that is registered in /etc/bulkhead/seccomp.d: the engine's usual
profile is not enough. See bulkhead.json(5).`

func installCommand() *cli.Command {
	return &cli.Command{
		Name: "install", Usage: "make an engine know the runtime", HideHelpCommand: true,
		Subcommands: []*cli.Command{{
			Name: "docker", Usage: "add the runtime to the Docker daemon's configuration", Description: installHelp,
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "default", Usage: "make it the runtime of every container that names none"},
				&cli.StringFlag{Name: "profile", Usage: "add a second runtime that has the hardening profile `NAME`"},
				&cli.BoolFlag{Name: "recorder", Usage: "add a runtime that records the system calls of its containers"},
				&cli.BoolFlag{Name: "require-generated", Usage: "add a runtime that refuses containers without a registered seccomp profile; with --default it is that"},
				&cli.StringFlag{Name: "name", Value: "bulkhead", Usage: "`NAME` of the runtime for Docker"},
				&cli.StringFlag{Name: "binary", Usage: "`PATH` of the runtime (default: bulkhead beside this program, or in PATH)"},
				configFlag(), dryRunFlag(),
			},
			Action: withArgs(0, 0, installDocker),
		}},
	}
}

func uninstallCommand() *cli.Command {
	return &cli.Command{
		Name: "uninstall", Usage: "undo what install did", HideHelpCommand: true,
		Subcommands: []*cli.Command{{
			Name: "docker", Usage: "take the runtimes out of the Docker daemon's configuration",
			Description: "Removes the runtimes whose program is called bulkhead or bulkhead-PROFILE, and the default runtime when it is\n" +
				"one of them. When nothing else was changed since install, the file gets the very bytes back that it had.\n" +
				"Remove the containers that use the runtime first: Docker cannot start them without it.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "name", Usage: "remove the runtime `NAME` only"}, configFlag(), dryRunFlag(),
			},
			Action: withArgs(0, 0, uninstallDocker),
		}},
	}
}

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Value: dockerConfig, Usage: "configuration `FILE` of the daemon"}
}

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Usage: "print the new configuration and write nothing"}
}

var runtimeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`).MatchString

// An installAsk is what the flags of install say.
type installAsk struct {
	binary, name, profile                    string
	makeDefault, recorder, requiresGenerated bool
}

// installPlan turns flags into what has to be registered, and the links that have to be there.
func installPlan(ask installAsk) (registration, error) {
	binary, name, profile := ask.binary, ask.name, ask.profile
	r := registration{Names: []string{name}, Paths: map[string]string{name: binary}}
	if !runtimeName(name) {
		return r, fmt.Errorf("read --name: %q is no name for a runtime", name)
	}
	if name == "runc" || name == "io.containerd.runc.v2" {
		return r, fmt.Errorf("read --name: Docker keeps %q for itself", name)
	}
	for word, does := range map[string]string{"record": "records its containers", "generated": "wants registered seccomp profiles"} {
		if profile == word || strings.HasPrefix(profile, word+"-") {
			return r, fmt.Errorf("read --profile: a program called bulkhead-%s %s; give the profile another name", profile, does)
		}
	}
	last := name
	if profile != "" {
		last = name + "-" + profile
		r.Names = append(r.Names, last)
		r.Paths[last] = filepath.Join(filepath.Dir(binary), "bulkhead-"+profile)
	}
	add := func(what string) string {
		if profile != "" {
			what += "-" + profile
		}
		r.Names = append(r.Names, name+what)
		r.Paths[name+what] = filepath.Join(filepath.Dir(binary), "bulkhead"+what)
		return name + what
	}
	if ask.requiresGenerated {
		last = add("-generated")
	}
	if ask.recorder {
		add("-record")
	}
	if ask.makeDefault {
		r.Default = last
	}
	return r, nil
}

func installDocker(ctx *cli.Context) error {
	binary, err := runtimeBinary(ctx.String("binary"))
	if err != nil {
		return err
	}
	profile := ctx.String("profile")
	if err := knownProfile(profile); err != nil {
		return err
	}
	plan, err := installPlan(installAsk{
		binary: binary, name: ctx.String("name"), profile: profile,
		makeDefault: ctx.Bool("default"), recorder: ctx.Bool("recorder"), requiresGenerated: ctx.Bool("require-generated"),
	})
	if err != nil {
		return err
	}
	file, err := openConfig(ctx.String("config"))
	if err != nil {
		return err
	}
	text, done, err := addRuntimes(file.text, plan)
	if err != nil {
		return fmt.Errorf("read %s: %w", file.path, err)
	}
	if _, err := readDocument(text); err != nil {
		return fmt.Errorf("BUG: the new %s would be broken: %w", file.path, err)
	}
	w := ctx.App.Writer
	if ctx.Bool("dry-run") {
		_, err := w.Write(text)
		return err
	}
	for _, name := range plan.Names[1:] {
		if err := linkProfile(w, binary, plan.Paths[name]); err != nil {
			return err
		}
	}
	if len(done) == 0 {
		fmt.Fprintf(w, "%s is as it should be already.\n", file.path)
		return nil
	}
	if err := change(w, file, text, done); err != nil {
		return err
	}
	writeNext(w, plan)
	return nil
}

// change backs the file up, replaces it and says so.
func change(w io.Writer, file *configFile, text []byte, done []string) error {
	kept, err := file.backup(time.Now())
	if err != nil {
		return err
	}
	if err := file.replace(text); err != nil {
		if kept != "" {
			_ = os.Remove(kept)
		}
		return err
	}
	fmt.Fprintf(w, "%s is changed:\n", file.path)
	for _, d := range done {
		fmt.Fprintf(w, "  %s\n", d)
	}
	if kept != "" {
		fmt.Fprintf(w, "The file as it was is %s.\n", kept)
	}
	return nil
}

// writeNext says what the daemon needs to see the change: it has read runtimes and default-runtime again on SIGHUP since
// its version 1.13, without touching running containers.
func writeNext(w io.Writer, plan registration) {
	reload, restart := "systemctl reload docker        (without systemd: kill -HUP $(cat /var/run/docker.pid); it takes a moment)", "systemctl restart docker"
	if os.Geteuid() != 0 { // rootless Docker's
		reload, restart = "kill -HUP $(cat $XDG_RUNTIME_DIR/docker.pid)        (it takes a moment)", "systemctl --user restart docker"
	}
	fmt.Fprintf(w, `
Now have the daemon read it. Containers go on running:
  %s
A daemon that was started with --add-runtime or --default-runtime takes no such key from the file: remove the flag and
restart it (%s).

Then try it:
`, reload, restart)
	for _, name := range plan.Names {
		fmt.Fprintf(w, "  docker run --rm --runtime=%s debian cat /proc/self/uid_map\n", name)
	}
}

// undoneNext asks for a restart. On SIGHUP the daemon leaves a default runtime that the file names no more as it was, and
// dockerd 20.10.24 then dies of the missing runtime (a nil pointer in fillPlatformInfo: seen in a test of ours); and a table
// of runtimes that is gone from the file is not read at all.
const undoneNext = `
Now restart the daemon: systemctl restart docker
Do not reload it: older daemons crash when their default runtime is taken away (seen with 20.10.24), others keep the runtime.
`

func uninstallDocker(ctx *cli.Context) error {
	file, err := openConfig(ctx.String("config"))
	if err != nil {
		return err
	}
	w := ctx.App.Writer
	if file.absent {
		fmt.Fprintf(w, "There is no %s: nothing to undo.\n", file.path)
		return nil
	}
	text, done, paths, err := removeRuntimes(file.text, ctx.String("name"))
	if err != nil {
		return fmt.Errorf("read %s: %w", file.path, err)
	}
	if len(done) == 0 {
		fmt.Fprintf(w, "%s has no runtime of bulkhead: nothing to undo.\n", file.path)
		return nil
	}
	from, old := file.sameBackup(text)
	if from != "" {
		text = old
	}
	if ctx.Bool("dry-run") {
		_, err := w.Write(text)
		return err
	}
	if err := writeUndone(w, file, text, from, done); err != nil {
		return err
	}
	unlinkProfiles(w, paths)
	fmt.Fprint(w, undoneNext)
	return nil
}

// writeUndone writes what is left. A file that install made is removed; a backup that was given back is not needed more.
func writeUndone(w io.Writer, file *configFile, text []byte, from string, done []string) error {
	doc, err := readDocument(text)
	switch {
	case from != "":
		err = file.replace(text)
		if err == nil {
			fmt.Fprintf(w, "%s is what it was before.\n", file.path)
			err = os.Remove(from)
		}
	case err == nil && len(doc.members) == 0:
		if err = os.Remove(file.path); err == nil {
			fmt.Fprintf(w, "%s held nothing else and is removed.\n", file.path)
		}
	case err == nil:
		return change(w, file, text, done)
	}
	if err != nil {
		return fmt.Errorf("undo in %s: %w", file.path, err)
	}
	for _, d := range done {
		fmt.Fprintf(w, "  %s\n", d)
	}
	return nil
}
