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
