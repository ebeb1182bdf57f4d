package profiles

import "testing"

func TestSelect(t *testing.T) {
	for name, c := range map[string]struct {
		explicit, program, config string
		want, message             string
	}{
		"nothing":           {want: "default"},
		"the default":       {program: "/usr/bin/bulkhead", want: "default"},
		"configuration":     {program: "bulkhead", config: "site", want: "site"},
		"program":           {program: "/usr/bin/bulkhead-restricted", config: "site", want: "restricted"},
		"flag":              {"compatible", "bulkhead-restricted", "site", "compatible", ""},
		"another program":   {program: "runc", config: "site", want: "site"},
		"bad flag":          {explicit: "../x", message: `select profile "../x" of --profile: want ` + nameForm},
		"bad program":       {program: "bulkhead-2", message: `select profile "2" of the program's name: want ` + nameForm},
		"bad configuration": {config: "A", message: `select profile "A" of the configuration file: want ` + nameForm},
	} {
		got, err := Select(c.explicit, c.program, Config{Profile: c.config})
		message := ""
		if err != nil {
			message = err.Error()
		}
		if got != c.want || message != c.message {
			t.Errorf("%s: got %q, %q; want %q, %q", name, got, message, c.want, c.message)
		}
	}
}

func TestMemoryBounds(t *testing.T) {
	p, err := Builtin("default")
	if err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	for _, c := range []struct{ host, byDefault, ceiling int64 }{
		{0, 0, 0},
		{-1, 0, 0},
		{1, 1, 1},
		{128 * mib, 64 * mib, 64 * mib},      // a small device: never more than half is kept back
		{512 * mib, 256 * mib, 384 * mib},    // 128 MiB stay
		{4000 * mib, 2000 * mib, 3800 * mib}, // 5 percent stay
		{1 << 62, 1 << 61, 1<<62 - 230584300921369395},
	} {
		byDefault, ceiling := p.Limits.Memory.Bounds(c.host)
		if byDefault != c.byDefault || ceiling != c.ceiling {
			t.Errorf("of %d: got %d and %d, want %d and %d", c.host, byDefault, ceiling, c.byDefault, c.ceiling)
		}
	}
}
