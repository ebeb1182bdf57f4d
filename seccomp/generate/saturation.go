package generate

import (
	"fmt"
	"strings"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// fewest recordings of which saturation can be said.
const fewest = 3

// were counts a noun, with what follows it, and its verb.
func were(n int, noun string, more ...string) string {
	if n == 1 {
		return "1 " + noun + strings.Join(more, "") + " was"
	}
	return fmt.Sprintf("%d %ss%s were", n, noun, strings.Join(more, ""))
}

// why the recordings are not saturated.
func (e Evidence) why(recordings []*recording.Recording) []string {
	var out []string
	if n := len(recordings); n < fewest {
		out = append(out, fmt.Sprintf("there are %d recordings, and fewer than %d show nothing about what is missing", n, fewest))
		if n == 1 {
			out[0] = fmt.Sprintf("there is one recording, and fewer than %d show nothing about what is missing", fewest)
		}
	}
	var calls []string
	arguments := 0
	for _, s := range e.Singletons {
		if s.Arguments == "" {
			calls = append(calls, s.Call)
		} else {
			arguments++
		}
	}
	if len(calls) > 0 {
		out = append(out, fmt.Sprintf("%s seen in one recording only: %s", were(len(calls), "call"), strings.Join(calls, ", ")))
	}
	if arguments > 0 {
		out = append(out, fmt.Sprintf("%s seen in one recording only", were(arguments, "combination", " of arguments")))
	}
	for _, r := range recordings {
		if r.Losses.Lost() || r.Ended.IsZero() {
			out = append(out, fmt.Sprintf("recording %q is not complete", r.Name))
		}
	}
	return out
}
