package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// commandLine runs an app with one command of every kind of flag and says what the command saw.
func commandLine(args ...string) string {
	var seen strings.Builder
	app := &cli.App{
		Name: "bulkhead", Writer: &seen, Flags: globalFlags(),
		Before: func(ctx *cli.Context) error {
			fmt.Fprintf(&seen, "root=%s debug=%t ", ctx.String("root"), ctx.Bool("debug"))
			return nil
		},
		Commands: []*cli.Command{{
			Name: "exec", Flags: execFlags(),
			Action: func(ctx *cli.Context) error {
				fmt.Fprintf(&seen, "tty=%t env=%q gids=%v fds=%d user=%q nnp=%t,%t args=%q", ctx.Bool("tty"), ctx.StringSlice("env"),
					ctx.Int64Slice("additional-gids"), ctx.Int("preserve-fds"), ctx.String("user"), isGiven(ctx, "no-new-privs"),
					ctx.Bool("no-new-privs"), ctx.Args().Slice())
				return nil
			},
		}, {
			Name: "delete", Flags: []cli.Flag{&cli.BoolFlag{Name: "force", Aliases: []string{"f"}}},
			Action: func(ctx *cli.Context) error {
				fmt.Fprintf(&seen, "force=%t args=%q", ctx.Bool("force"), ctx.Args().Slice())
				return nil
			},
		}, {
			Name: "restore", SkipFlagParsing: true,
			Action: func(ctx *cli.Context) error {
				fmt.Fprintf(&seen, "args=%q", ctx.Args().Slice())
				return nil
			},
		}},
	}
	if err := run(app, append([]string{"bulkhead"}, args...)); err != nil {
		return "error: " + err.Error()
	}
	return seen.String()
}

func TestCommandLine(t *testing.T) {
	const none = `root=/run/bulkhead/containers debug=false tty=false env=[] gids=[] fds=0 user="" nnp=false,false args=`
	for _, c := range []struct{ args, want string }{
		{"exec", none + `[]`},
		{"exec a b --tty", none + `["a" "b" "--tty"]`},
		{"exec -- -a", none + `["-a"]`},
		{"--root /r --debug exec -t --user 1:2 a", `root=/r debug=true tty=true env=[] gids=[] fds=0 user="1:2" nnp=false,false args=["a"]`},
		{"--root=/q --root=/r exec -u 1 --user=2 a", `root=/r debug=false tty=false env=[] gids=[] fds=0 user="2" nnp=false,false args=["a"]`},
		{"exec -e A=b,c --env=B= -e C a", `root=/run/bulkhead/containers debug=false tty=false env=["A=b,c" "B=" "C"] gids=[] fds=0 user="" nnp=false,false args=["a"]`},
		{"exec -g 1 --additional-gids 4294967296 a", `root=/run/bulkhead/containers debug=false tty=false env=[] gids=[1 4294967296] fds=0 user="" nnp=false,false args=["a"]`},
		{"exec --no-new-privs=false --preserve-fds 3 a", `root=/run/bulkhead/containers debug=false tty=false env=[] gids=[] fds=3 user="" nnp=true,false args=["a"]`},
		{"restore --image-path x a", `root=/run/bulkhead/containers debug=false args=["--image-path" "x" "a"]`},
		{"delete a --force b", `root=/run/bulkhead/containers debug=false force=true args=["a" "b"]`},
		{"delete -f a -- --force", `root=/run/bulkhead/containers debug=false force=true args=["a" "--force"]`},
		{"delete a -- --force", `root=/run/bulkhead/containers debug=false force=false args=["a" "--force"]`},
		{"delete a --nosuch", `error: bulkhead delete: flag provided but not defined: -nosuch`},
		{"exec --preserve-fds x a", `error: bulkhead exec: read --preserve-fds: "x": parse error`},
		{"exec -g x a", `error: bulkhead exec: read --additional-gids: "x" is no number`},
		{"exec --tty=maybe a", `error: bulkhead exec: read --tty: "maybe": parse error`},
		{"exec --nosuch a", `error: bulkhead exec: flag provided but not defined: -nosuch`},
		{"exec --user", `error: bulkhead exec: flag needs an argument: -user`},
		{"--nosuch exec", `error: flag provided but not defined: -nosuch`},
		{"nosuch", `error: unknown command "nosuch"; see bulkhead --help`},
	} {
		if got := commandLine(strings.Fields(c.args)...); got != c.want {
			t.Errorf("bulkhead %s:\n got %s\nwant %s", c.args, got, c.want)
		}
	}
}

// TestHelp: every command has its own, and it runs nothing.
func TestHelp(t *testing.T) {
	for _, c := range append(newApp(0).Commands, &cli.Command{}) {
		app := newApp(0)
		var out strings.Builder
		app.Writer = &out
		app.Before = func(*cli.Context) error { return fmt.Errorf("ran") }
		args := []string{"bulkhead", c.Name, "--help"}
		if c.Name == "" {
			args = []string{"bulkhead", "-h"}
		}
		if c.SkipFlagParsing {
			continue
		}
		if err := run(app, args); err != nil {
			t.Errorf("%q: %v", args, err)
		}
		first, _, _ := strings.Cut(out.String(), "\n")
		if want := strings.TrimSpace("bulkhead "+c.Name) + ": "; !strings.HasPrefix(first, want) {
			t.Errorf("%q begins with %q, want %q", args, first, want)
		}
	}
}
