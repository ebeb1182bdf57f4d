package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/docker/go-units"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

func updateCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "update", Usage: "change the limits of a container", ArgsUsage: "ID",
		Description: `Limits above the profile's ceiling are narrowed to it; what is not named stays as it is. With --resources all other flags
are ignored. The file has runtime-spec's linux.resources, for example {"memory": {"limit": 268435456}, "pids": {"limit": 100}}.`,
		Flags: updateFlags(),
		Action: withArgs(1, 1, func(ctx *cli.Context) error {
			res, err := updateResources(ctx)
			if err != nil {
				return err
			}
			return r.Update(ctx.Args().First(), res)
		}),
	}
}

func updateFlags() []cli.Flag {
	hidden := func(name string) cli.Flag { return &cli.StringFlag{Name: name, Hidden: true} }
	return []cli.Flag{
		&cli.StringFlag{Name: "resources", Aliases: []string{"r"}, Usage: "read the limits from `FILE`, or from standard input (-)"},
		&cli.IntFlag{Name: "blkio-weight", Usage: "block I/O weight, 10 to 1000"},
		&cli.StringFlag{Name: "cpu-period", Usage: "CPU period in `US`"},
		&cli.StringFlag{Name: "cpu-quota", Usage: "CPU time in a period, in `US`"},
		&cli.StringFlag{Name: "cpu-burst", Usage: "CPU burst in a period, in `US`"},
		&cli.StringFlag{Name: "cpu-share", Usage: "CPU shares"},
		&cli.StringFlag{Name: "cpu-rt-period", Usage: "refused: real-time period"},
		&cli.StringFlag{Name: "cpu-rt-runtime", Usage: "refused: real-time runtime"},
		&cli.StringFlag{Name: "cpuset-cpus", Usage: "CPUs, e.g. 0-1"},
		&cli.StringFlag{Name: "cpuset-mems", Usage: "memory nodes"},
		&cli.StringFlag{Name: "cpu-idle", Usage: "SCHED_IDLE for the cgroup: 0 or 1"},
		&cli.StringFlag{Name: "memory", Usage: "memory in `BYTES`, with b, k, m, g"},
		&cli.StringFlag{Name: "memory-reservation", Usage: "soft limit in `BYTES`"},
		&cli.StringFlag{Name: "memory-swap", Usage: "memory and swap in `BYTES`; -1 is none"},
		&cli.IntFlag{Name: "pids-limit", Usage: "number of tasks (0: as it is)"},
		&cli.StringFlag{Name: "l3-cache-schema", Usage: "refused: Intel RDT belongs to the host"},
		&cli.StringFlag{Name: "mem-bw-schema", Usage: "refused: Intel RDT belongs to the host"},
		hidden("kernel-memory"), hidden("kernel-memory-tcp"),
	}
}

func updateResources(ctx *cli.Context) (*specs.LinuxResources, error) {
	if path := ctx.String("resources"); path != "" {
		return readResources(path)
	}
	for _, f := range []string{"l3-cache-schema", "mem-bw-schema"} {
		if ctx.String(f) != "" {
			return nil, fmt.Errorf("refused: --%s: Intel RDT belongs to the host (rule scheduling)", f)
		}
	}
	if ctx.String("kernel-memory") != "" || ctx.String("kernel-memory-tcp") != "" {
		logrus.Warn("kernel memory limits are obsolete and not applied")
	}
	res := &specs.LinuxResources{Memory: &specs.LinuxMemory{}, CPU: &specs.LinuxCPU{}, BlockIO: &specs.LinuxBlockIO{}, Pids: &specs.LinuxPids{}}
	if w := ctx.Int("blkio-weight"); w != 0 {
		if w < 0 || w > 1<<16-1 {
			return nil, fmt.Errorf("read --blkio-weight: %d is not within 10 to 1000", w)
		}
		res.BlockIO.Weight = new(uint16(w))
	}
	if isGiven(ctx, "pids-limit") {
		res.Pids.Limit = new(int64(ctx.Int("pids-limit")))
	}
	if err := cpuFlags(ctx, res.CPU); err != nil {
		return nil, err
	}
	return res, memoryFlags(ctx, res.Memory)
}

func readResources(path string) (*specs.LinuxResources, error) {
	var in io.Reader = os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read resources: %w", err)
		}
		defer f.Close()
		in = f
	}
	res, _, err := bundle.LoadResources(in)
	return res, err
}

func cpuFlags(ctx *cli.Context, cpu *specs.LinuxCPU) error {
	cpu.Cpus, cpu.Mems = ctx.String("cpuset-cpus"), ctx.String("cpuset-mems")
	for _, f := range []struct {
		name string
		to   **uint64
	}{{"cpu-burst", &cpu.Burst}, {"cpu-period", &cpu.Period}, {"cpu-rt-period", &cpu.RealtimePeriod}, {"cpu-share", &cpu.Shares}} {
		if s := ctx.String(f.name); s != "" {
			v, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				return fmt.Errorf("read --%s: %q is no number", f.name, s)
			}
			*f.to = &v
		}
	}
	for _, f := range []struct {
		name string
		to   **int64
	}{{"cpu-quota", &cpu.Quota}, {"cpu-rt-runtime", &cpu.RealtimeRuntime}, {"cpu-idle", &cpu.Idle}} {
		if s := ctx.String(f.name); s != "" {
			v, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return fmt.Errorf("read --%s: %q is no number", f.name, s)
			}
			*f.to = &v
		}
	}
	return nil
}

func memoryFlags(ctx *cli.Context, m *specs.LinuxMemory) error {
	for _, f := range []struct {
		name string
		to   **int64
	}{{"memory", &m.Limit}, {"memory-swap", &m.Swap}, {"memory-reservation", &m.Reservation}} {
		s := ctx.String(f.name)
		if s == "" {
			continue
		}
		v := int64(-1)
		if s != "-1" {
			var err error
			if v, err = units.RAMInBytes(s); err != nil {
				return fmt.Errorf("read --%s: %w", f.name, err)
			}
		}
		*f.to = &v
	}
	return nil
}
