package bundle

import (
	"fmt"
	"testing"
)

func TestParseOwnMap(t *testing.T) {
	tests := []struct{ text, want string }{
		{"         0          0 4294967295\n", "[]"},
		{"         0       1000          1\n         1     100000      65536\n", "[{0 0 1} {1 1 65536}]"},
		{"0 0 1\n", "[{0 0 1}]"},
		{"0 x 1\n", `line "0 x 1": expected integer`},
	}
	for _, tt := range tests {
		got, err := parseOwnMap(tt.text)
		text := fmt.Sprint(got)
		if err != nil {
			text = err.Error()
		}
		if text != tt.want {
			t.Errorf("%q: got %s, want %s", tt.text, text, tt.want)
		}
	}
}
