package profiles

import (
	"reflect"
	"slices"
	"testing"
)

func TestBuiltinProfilesAreValid(t *testing.T) {
	for _, name := range Names() {
		p, err := Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != name || p.Base != "" || p.Widened != nil {
			t.Errorf("%q has name %q, base %q, widened %v", name, p.Name, p.Base, p.Widened)
		}
		if err := p.Validate(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := SeccompProfile(p.Seccomp.Profile); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// The strict decoder wants what a site's file is held to: known keys, and a reason beside each number and permission.
func TestBuiltinFilesAreStrict(t *testing.T) {
	for _, name := range Names() {
		data, err := builtinData.ReadFile("data/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var strict Profile
		if err := decode(data, "profile", &strict, nil); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if name != DefaultName {
			if strict.Base != DefaultName {
				t.Errorf("%q is based on %q, want %q", name, strict.Base, DefaultName)
			}
			continue
		}
		loose, err := Builtin(name)
		if err != nil || !reflect.DeepEqual(strict, loose) {
			t.Errorf("%q reads differently by the strict decoder (%v)", name, err)
		}
	}
}

func TestBuiltinValuesAreTheCallers(t *testing.T) {
	first, err := Builtin(DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	first.Capabilities[0].Name = "CAP_SYS_ADMIN"
	second, err := Builtin(DefaultName)
	if err != nil || second.Capabilities[0].Name != "CAP_CHOWN" {
		t.Errorf("a change of one value reached another: %q, %v", second.Capabilities[0].Name, err)
	}
}

func TestBuiltinOrder(t *testing.T) {
	get := func(name string) Profile {
		p, err := Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	compatible, standard, restricted := get("compatible"), get("default"), get("restricted")
	if wider := standard.Compare(compatible); wider != nil {
		t.Errorf("default is wider than compatible in %v", wider)
	}
	if wider := restricted.Compare(standard); wider != nil {
		t.Errorf("restricted is wider than default in %v", wider)
	}
	if got, want := compatible.Compare(standard), []string{"no-new-privileges", "seccomp"}; !slices.Equal(got, want) {
		t.Errorf("compatible is wider than default in %v, want %v", got, want)
	}
	want := []string{"rootfs", "mounts", "capabilities", "user", "seccomp", "limits", "sysctl"}
	if got := standard.Compare(restricted); !slices.Equal(got, want) {
		t.Errorf("default is wider than restricted in %v, want %v", got, want)
	}
	if !Tighter(standard, restricted) || Tighter(restricted, standard) || Tighter(standard, standard) ||
		Tighter(standard, compatible) || !Tighter(compatible, restricted) {
		t.Error("the order of the built-in profiles is not compatible, default, restricted")
	}
}

func BenchmarkBuiltin(b *testing.B) {
	for _, name := range Names() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Builtin(name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkProtected(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Protected(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseSite(b *testing.B) {
	data := []byte(`{"base": "default", "capabilities": [{"name": "CAP_CHOWN", "reason": "r"}],
		"limits": {"pids": {"default": 100, "reason": "small services"}}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseSite("site", data); err != nil {
			b.Fatal(err)
		}
	}
}
