// Package cves is a table of flaws of the Linux kernel that system calls reach, with the calls that an exploit of each needs, and the
// seccomp profile of Docker to compare with. It is for reports: only bulkheadctl links it.
package cves

import (
	"bytes"
	_ "embed" // the table
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var (
	//go:embed cves.json
	table []byte
	// The profile that Docker 29 gives a container without options on amd64, as it stood in a config.json.
	//go:embed docker.json
	docker []byte
)

// A CVE is a published flaw. It is closed when all ways of one of its needs are.
type CVE struct {
	ID string
	// What goes wrong, in a few words; Where in the kernel's source, as it was called then.
	What, Where string
	// Needs of an exploit: it takes one way of each.
	Needs [][]Way
	// Source is where to read more.
	Source string
}

// A Way is a call that reaches the flaw, or prepares it.
type Way struct {
	Call string
	// Compat is "32" for a call of a 32 bit program on a 64 bit kernel, "x32" for one of that ABI, and empty for a native call.
	Compat string
	// Args are conditions that all have to hold; none: any arguments. They look at the lower 32 bits, as the kernel does.
	Args []specs.LinuxSeccompArg
	// Text is the way as the table has it.
	Text string
}

// userns are the ways to a new user namespace, where a process has all capabilities. A flaw that takes CAP_NET_ADMIN or CAP_SYS_ADMIN is
// reached so from a container, which has neither (user_namespaces(7)). The arguments of clone3 cannot be filtered.
var userns = []string{"unshare 0&268435456==268435456", "clone 0&268435456==268435456", "clone3"}

// Table gives the flaws, sorted by year and number. It is not complete: it has those that are well known, that a filter can tell from
// other uses and of which an exploit or an analysis is public.
func Table() ([]CVE, error) {
	var rows []struct {
		ID     string     `json:"id"`
		What   string     `json:"what"`
		Where  string     `json:"where"`
		Needs  [][]string `json:"needs"`
		Source string     `json:"source"`
	}
	d := json.NewDecoder(bytes.NewReader(table))
	d.DisallowUnknownFields()
	if err := d.Decode(&rows); err != nil {
		return nil, fmt.Errorf("read table of CVEs: %w", err)
	}
	out := make([]CVE, 0, len(rows))
	for _, r := range rows {
		c := CVE{ID: r.ID, What: r.What, Where: r.Where, Source: r.Source}
		for _, need := range r.Needs {
			ways, err := readNeed(need)
			if err != nil {
				return nil, fmt.Errorf("read table of CVEs: %s: %w", r.ID, err)
			}
			c.Needs = append(c.Needs, ways)
		}
		out = append(out, c)
	}
	return out, nil
}

func readNeed(texts []string) ([]Way, error) {
	var out []Way
	for _, text := range texts {
		if text == "@userns" {
			more, err := readNeed(userns)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
			continue
		}
		w, err := readWay(text)
		if err != nil {
			return nil, fmt.Errorf("way %q: %w", text, err)
		}
		out = append(out, w)
	}
	return out, nil
}

// readWay reads [compat|x32] CALL [INDEX==VALUE | INDEX&MASK==VALUE]...
func readWay(text string) (Way, error) {
	w := Way{Text: text}
	words := strings.Fields(text)
	if len(words) > 1 && (words[0] == "compat" || words[0] == "x32") {
		w.Compat = strings.Replace(words[0], "compat", "32", 1)
		words = words[1:]
	}
	if len(words) == 0 {
		return w, fmt.Errorf("it names no call")
	}
	w.Call = words[0]
	for _, word := range words[1:] {
		left, right, ok := strings.Cut(word, "==")
		index, mask, masked := strings.Cut(left, "&")
		if !masked {
			mask = "4294967295"
		}
		i, err := strconv.ParseUint(index, 10, 3)
		if err != nil || !ok || i > 5 {
			return w, fmt.Errorf("condition %q: want INDEX==VALUE or INDEX&MASK==VALUE", word)
		}
		a := specs.LinuxSeccompArg{Index: uint(i), Op: specs.OpMaskedEqual}
		if a.Value, err = strconv.ParseUint(mask, 10, 32); err == nil {
			a.ValueTwo, err = strconv.ParseUint(right, 10, 32)
		}
		if err != nil {
			return w, fmt.Errorf("condition %q: %w", word, err)
		}
		w.Args = append(w.Args, a)
	}
	return w, nil
}

// DockerName is what [Docker] is called in reports.
const DockerName = "Docker 29"

// Docker gives the seccomp profile of a container that Docker 29 runs without options. The caller owns the value.
func Docker() (*specs.LinuxSeccomp, error) {
	s := new(specs.LinuxSeccomp)
	if err := json.Unmarshal(docker, s); err != nil {
		return nil, fmt.Errorf("read Docker's seccomp profile: %w", err)
	}
	return s, nil
}
