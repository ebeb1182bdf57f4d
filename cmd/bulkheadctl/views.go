package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

const viewsHelp = `While a container runs, a view of its root filesystem lies over the engine's own mount of it, so that docker cp and docker
export see what the container sees. list tells where, and whether it is in order. hide takes all views away, show makes
those that are hidden or broken again; both are for the moments around a restart of dockerd with live-restore, which must find
its own mounts. Run it in the engine's mount namespace.

   shown    the engine sees the container's files
   hidden   taken away by hide
   broken   the process that answers has died: the next exec, or show, makes a new one
   none     the container has no view`

// A viewLine is a line of views list.
type viewLine struct {
	ID    string `json:"id"`
	Root  string `json:"root"`
	State string `json:"state"`
	Path  string `json:"path,omitempty"`
}

func viewsCommand() *cli.Command {
	return &cli.Command{
		Name: "views", Usage: "list, hide and show the views of running containers' roots that engines see", Description: viewsHelp,
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list the containers and the states of their views", Flags: []cli.Flag{jsonFlag(), rootFlag()},
				Action: withArgs(0, 0, func(ctx *cli.Context) error {
					lines, err := listViews(ctx.String("root"))
					return errors.Join(show(ctx, lines, func(w io.Writer) { writeViews(w, lines) }), err)
				}),
			},
			{
				Name: "hide", Usage: "take all views away", Flags: []cli.Flag{rootFlag()},
				Action: withArgs(0, 0, func(ctx *cli.Context) error {
					return eachContainer(ctx.String("root"), func(c *foundContainer) error { return c.runtime.HideView(c.id) })
				}),
			},
			{
				Name: "show", Usage: "make the views that are hidden or broken again", Flags: []cli.Flag{rootFlag()},
				Action: withArgs(0, 0, func(ctx *cli.Context) error {
					return eachContainer(ctx.String("root"), func(c *foundContainer) error { return c.runtime.ShowView(c.id) })
				}),
			},
		},
	}
}

// eachContainer does something with every container of this host. One that has gone meanwhile is no error, and an error
// of one does not keep the others from their turn.
func eachContainer(root string, f func(*foundContainer) error) error {
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range distinct(searchRoots(root)) {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("list containers: %w", err))
		}
		for _, e := range entries {
			if _, err := os.Lstat(filepath.Join(dir, e.Name(), "record.json")); err != nil {
				continue
			}
			err := f(&foundContainer{&container.Runtime{Root: dir, Config: cfg}, e.Name()})
			if err != nil && !errors.Is(err, container.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func listViews(root string) ([]viewLine, error) {
	lines := []viewLine{}
	err := eachContainer(root, func(c *foundContainer) error {
		path, state, err := c.runtime.ViewState(c.id)
		if err == nil {
			lines = append(lines, viewLine{ID: c.id, Root: c.runtime.Root, State: state, Path: path})
		}
		return err
	})
	return lines, err
}

func writeViews(w io.Writer, lines []viewLine) {
	for _, l := range lines {
		fmt.Fprintf(w, "%-6s  %s  %s\n", l.State, visible(l.ID), visible(l.Path))
	}
	fmt.Fprintf(w, "%s\n", count(len(lines), "container"))
}
