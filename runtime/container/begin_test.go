package container

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestConfined: what the kernel shows before the program begins, in the files of proc_pid_attr(5).
func TestConfined(t *testing.T) {
	const label, other = "system_u:system_r:container_t:s0:c1,c2", "system_u:object_r:unlabeled_t:s0"
	const runtime = "system_u:system_r:container_runtime_t:s0"
	for name, c := range map[string]struct{ exec, current, appArmor, seLinux, want string }{
		"nothing asked":     {"", runtime, "", "", ""},
		"pending":           {label, runtime, "", label, ""},
		"taken":             {"", label, "", label, ""},
		"never set":         {"", runtime, "", label, `SELinux label is "` + runtime + `", want "` + label + `"`},
		"gone from policy":  {other + "\x00", runtime, "", label, `SELinux label is "` + other + `", want "` + label + `"`},
		"other categories":  {strings.Replace(label, "c2", "c3", 1), runtime, "", label, `SELinux label is "` + strings.Replace(label, "c2", "c3", 1) + `", want "` + label + `"`},
		"AppArmor's":        {"docker-default (enforce)\n", "unconfined\n", "docker-default", "", ""},
		"AppArmor's, other": {"other (enforce)\n", "unconfined\n", "docker-default", "", `AppArmor profile is "other", want "docker-default"`},
	} {
		dir := t.TempDir() + "/"
		for file, text := range map[string]string{"exec": c.exec, "current": c.current} {
			if err := os.WriteFile(dir+file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := ""
		if err := (&Holding{AppArmor: c.appArmor, SELinux: c.seLinux}).confined(dir); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// TestBeginWithoutLabel: a process that does not have its SELinux label, by this kernel's own files, is killed and runs nothing.
func TestBeginWithoutLabel(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	h := &Holding{InitPID: pid, InitStart: startTime(pid), SELinux: "system_u:system_r:container_t:s0:c1,c2"}
	begun := false
	err := h.begin(func() error { begun = true; return nil })
	if err == nil || !strings.Contains(err.Error(), "SELinux label") || begun {
		t.Errorf("begun %t, %v", begun, err)
	}
	if err := <-ended; err == nil || err.Error() != "signal: killed" {
		t.Errorf("the process has ended with %v", err)
	}
}
