package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/userns"
)

// leaseReport is what the leases command prints.
type leaseReport struct {
	Leases    []userns.Lease `json:"leases"`
	Reclaimed []userns.Range `json:"reclaimed,omitempty"`
	Pools     []userns.Range `json:"pools"`
}

func leasesCommand() *cli.Command {
	return &cli.Command{
		Name: "leases", Usage: "list the ranges of host IDs that containers hold",
		Flags: []cli.Flag{jsonFlag(), &cli.BoolFlag{Name: "reclaim", Usage: "first take back the ranges of containers that are gone"}},
		Action: withArgs(0, 0, func(ctx *cli.Context) error {
			cfg, err := loadConfig()
			if err != nil {
				return err
			}
			report, err := readLeases(filepath.Join(cfg.StateDir, "leases"), ctx.Bool("reclaim"))
			if report == nil {
				return err
			}
			return errors.Join(show(ctx, report, func(w io.Writer) { writeLeases(w, *report) }), err)
		}),
	}
}

// readLeases makes nothing when no container was ever made. Lease files that cannot be read are in the error.
func readLeases(dir string, reclaim bool) (*leaseReport, error) {
	pools, err := userns.HostPools()
	if err != nil {
		return nil, err
	}
	report := &leaseReport{Pools: pools, Leases: []userns.Lease{}}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return report, nil
	}
	store, err := userns.OpenStore(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = store.Close() }()
	if reclaim {
		if report.Reclaimed, err = store.Reclaim(nil); err != nil {
			return nil, err
		}
	}
	leases, err := store.List()
	if leases != nil {
		report.Leases = leases
	}
	return report, err
}

func writeLeases(w io.Writer, r leaseReport) {
	for _, x := range r.Reclaimed {
		fmt.Fprintf(w, "reclaimed %s\n", x)
	}
	used := uint64(0)
	for _, l := range r.Leases {
		names := make([]string, 0, len(l.Holders))
		for _, h := range l.Holders {
			names = append(names, fmt.Sprintf("%s (in %s)", h.ID, h.Root))
		}
		fmt.Fprintf(w, "%-18s  %s\n", l.Range, visible(strings.Join(names, ", ")))
		used += uint64(l.Range.Size)
	}
	total := uint64(0)
	for _, p := range r.Pools {
		total += uint64(p.Size)
	}
	fmt.Fprintf(w, "%s of %d IDs; the pools have %d\n", count(len(r.Leases), "lease"), used, total)
}
