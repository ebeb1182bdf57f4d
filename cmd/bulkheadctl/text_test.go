package main

import (
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	var b strings.Builder
	table(&b, 30, [][2]string{{"a", "one two three four five six"}, {"long label", ""}, {"label", "x\x1b[31m\ny"}})
	want := "a      one two three four five\n       six\nlabel  x?[31m y\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"a b c", 3, []string{"a b", "c"}},
		{"/a/very/long/path b", 5, []string{"/a/very/long/path", "b"}},
		{"größe über", 5, []string{"größe", "über"}},
		{"a\u202eb", 10, []string{"a?b"}},
	}
	for _, tt := range tests {
		if got := wrap(tt.text, tt.width); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestByteSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 bytes", 1023: "1023 bytes", 1536: "1.5 KiB", 64 << 20: "64.0 MiB", 1 << 62: "4194304.0 TiB"} {
		if got := byteSize(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	tests := []struct {
		text string
		want int64
		err  string
	}{
		{"1", 1, ""}, {"64k", 64 << 10, ""}, {"256M", 256 << 20, ""}, {"2gb", 2 << 30, ""}, {"1T", 1 << 40, ""},
		{"0", 0, `"0" is no size, want a number of bytes, or one with k, m or g`},
		{"-5m", 0, `"-5m" is no size, want a number of bytes, or one with k, m or g`},
		{"9999999999g", 0, `"9999999999g" is no size, want a number of bytes, or one with k, m or g`},
		{"m", 0, `"m" is no size, want a number of bytes, or one with k, m or g`},
	}
	for _, tt := range tests {
		got, err := parseSize(tt.text)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%s: got %d, %v, want %d, %s", tt.text, got, err, tt.want, tt.err)
		}
	}
}
