package cves

import (
	"regexp"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	all, err := Table()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 40 {
		t.Errorf("got %d, want at least 40", len(all))
	}
	id := regexp.MustCompile(`^CVE-(\d{4})-(\d{4,7})$`)
	last := ""
	for _, c := range all {
		m := id.FindStringSubmatch(c.ID)
		if m == nil {
			t.Fatalf("got the ID %q", c.ID)
		}
		key := m[1] + strings.Repeat("0", 7-len(m[2])) + m[2]
		if key <= last {
			t.Errorf("%s stands twice or behind a later one", c.ID)
		}
		last = key
		if c.What == "" || c.Where == "" || len(c.Needs) == 0 || !strings.HasPrefix(c.Source, "https://") {
			t.Errorf("%s lacks something: %+v", c.ID, c)
		}
		for _, need := range c.Needs {
			if len(need) == 0 {
				t.Errorf("%s has a need without a way", c.ID)
			}
		}
	}
}

func TestReadWay(t *testing.T) {
	for in, want := range map[string]string{
		"":                      `it names no call`,
		"socket 0":              `condition "0": want INDEX==VALUE or INDEX&MASK==VALUE`,
		"socket 6==1":           `condition "6==1": want INDEX==VALUE or INDEX&MASK==VALUE`,
		"socket 0==4294967296":  `condition "0==4294967296": strconv.ParseUint: parsing "4294967296": value out of range`,
		"socket 0&x==1":         `condition "0&x==1": strconv.ParseUint: parsing "x": invalid syntax`,
		"compat setsockopt 1=0": `condition "1=0": want INDEX==VALUE or INDEX&MASK==VALUE`,
	} {
		if _, err := readWay(in); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
	w, err := readWay("x32 socket 0==38 1&15==2")
	if err != nil || w.Call != "socket" || w.Compat != "x32" || len(w.Args) != 2 || w.Args[0].Value != 0xffffffff || w.Args[0].ValueTwo != 38 || w.Args[1].Value != 15 {
		t.Errorf("got %+v, %v", w, err)
	}
}

func TestDocker(t *testing.T) {
	s, err := Docker()
	if err != nil || len(s.Syscalls) == 0 || len(s.Architectures) != 3 {
		t.Errorf("got %+v, %v", s, err)
	}
}
