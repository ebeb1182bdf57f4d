package profiles

import "testing"

func TestRootView(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "auto", `{"rootView": "always"}`: "always", `{"rootView": "off"}`: "off",
		`{"rootView": "yes"}`: `line 1: rootView is "yes", want "auto", "always" or "off"`,
		`{"rootView": ""}`:    `line 1: rootView is "", want "auto", "always" or "off"`,
	} {
		c, err := parseConfig([]byte(text))
		got := c.RootView
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s gives %q, want %q", text, got, want)
		}
	}
}
