package container

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCompareLabel(t *testing.T) {
	tests := []struct{ exec, current, want, err string }{
		{"docker-default (enforce)\n", "unconfined\n", "docker-default", ""},
		{"", "docker-default (complain)\n", "docker-default", ""},
		{"", "odd (name) (enforce)\n", "odd (name)", ""},
		{"", "docker-default//ping (enforce)\n", "docker-default", ""},
		{"", "docker-default2 (enforce)\n", "docker-default", `AppArmor profile is "docker-default2", want "docker-default"`},
		{"", "unconfined\n", "docker-default", `AppArmor profile is "unconfined", want "docker-default"`},
		{"unconfined\n", "docker-default (enforce)\n", "docker-default", `AppArmor profile is "unconfined", want "docker-default"`},
		{"other (enforce)\n", "docker-default (enforce)\n", "docker-default", `AppArmor profile is "other", want "docker-default"`},
		{"", "system_u:system_r:container_t:s0:c1,c2\x00", "system_u:system_r:container_t:s0:c1,c2", ""},
	}
	for _, tt := range tests {
		dir := t.TempDir() + "/"
		for name, text := range map[string]string{"exec": tt.exec, "current": tt.current} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := ""
		if err := compareLabel(dir, tt.want, "AppArmor profile", apparmorName); err != nil {
			got = err.Error()
		}
		if got != tt.err {
			t.Errorf("%q, %q: got %q, want %q", tt.exec, tt.current, got, tt.err)
		}
	}
}
