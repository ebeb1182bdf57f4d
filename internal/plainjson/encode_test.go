package plainjson

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type text struct{ s string }

func (x text) MarshalText() ([]byte, error) { return []byte("<" + x.s + ">"), nil }
func (x *text) UnmarshalText(b []byte) error {
	x.s = string(b)
	return nil
}

// level is a number that is written as text, level2 only through its pointer.
type level int

func (l level) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "level %d", int(l)), nil }
func (l *level) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "level %d", (*int)(l))
	return err
}

type level2 int

func (l *level2) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "[%d]", int(*l)), nil }
func (l *level2) UnmarshalJSON(b []byte) error {
	_, err := fmt.Sscanf(string(b), "[%d]", (*int)(l))
	return err
}

type inner struct {
	B []byte
	F float64 `json:"f,omitempty"`
}

type (
	name  string
	flags []bool
)

// odd has everything that encoding/json has a rule for.
type odd struct {
	inner
	M      map[string]int  `json:"m"`
	N      map[name]bool   `json:"n,omitempty"`
	I      map[int]string  `json:"ints"`
	K      map[level]*text `json:"levels"`
	A      [2]int          `json:"a,omitempty"`
	T      time.Time       `json:"t,omitzero"`
	P      *time.Time      `json:"p,omitzero"`
	S      []string
	E      []string `json:"e,omitempty"`
	X      any
	No     string   `json:"-"`
	Dash   string   `json:"-,"` //nolint:staticcheck // the rule is tested
	L      level    `json:"l"`
	L2     level2   `json:"l2"`
	Levels []level2 `json:"list"`
	Q      struct { // as text
		N int64 `json:"n,string"`
	} `json:"q"`
	Flags  flags    `json:"flags"`
	Deep   **uint8  `json:"deep"`
	Child  *odd     `json:"child,omitempty"`
	Tagged struct { // encoding/json takes no such name from a tag
		Quote int "json:\"it's\""
	} `json:"tagged"`
	small int //nolint:unused // as encoding/json, it is passed over
}

// TestOddIsRead: what the other tests compare is not left to encoding/json as a whole.
func TestOddIsRead(t *testing.T) {
	for _, s := range []shapes{readerShapes(), writerShapes()} {
		for _, typ := range []reflect.Type{reflect.TypeFor[odd](), reflect.TypeFor[pointing]()} {
			if s.of(typ).own {
				t.Errorf("%v is left to encoding/json", typ)
			}
		}
	}
}

// Behind is embedded by a pointer.
type Behind struct {
	G int `json:"g,omitempty"`
	H []string
}

type pointing struct {
	A int
	*Behind
	Z *Behind
}

// deep embeds what embeds.
type deep struct {
	pointing
	Y int
}

// shadowing has two fields with one name: encoding/json takes the outer one.
type shadowing struct {
	inner
	B string
}

func full() *odd {
	eight := uint8(8)
	deep := &eight
	return &odd{
		inner: inner{B: []byte("x"), F: 0.5}, M: map[string]int{"b": 1, "a<": -2}, N: map[name]bool{"q": true}, I: map[int]string{2: "b", 1: "a"},
		K: map[level]*text{3: {"t"}, 4: nil}, A: [2]int{1, 2}, T: time.Unix(1, 5).UTC(), S: []string{"a<b>&\"\n\u2028é\xff", ""}, X: map[string]any{"a": nil, "b": []any{1.5}},
		No: "no", Dash: "dash", L: 5, L2: 6, Levels: []level2{1, 2}, Flags: flags{true, false}, Deep: &deep, Child: &odd{E: []string{"e"}},
	}
}

func checkEncoded(t *testing.T, v any) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Marshal(v, 10)
	if err != nil || string(got) != string(want) {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

func TestMarshal(t *testing.T) {
	many := full()
	many.Q.N, many.Tagged.Quote = 7, 1
	for _, v := range []any{nil, 1, "a\nb", []int(nil), []byte("x"), &odd{}, *full(), many, []*odd{nil, full()}, map[string]odd{"x": *full()}, level(1), &shadowing{B: "b"}, level2(1), []level2{1}, text{"a"}, &pointing{}, &pointing{Behind: &Behind{G: 1}}, pointing{Behind: &Behind{}}, &deep{pointing: pointing{Behind: &Behind{H: []string{"h"}}}}} {
		checkEncoded(t, v)
	}
}

func TestMarshalRefuses(t *testing.T) {
	if text, err := Marshal(struct{ C chan int }{make(chan int)}, 10); text != nil || err == nil || !strings.Contains(err.Error(), "encode a chan int: ") {
		t.Errorf("got %q, %v", text, err)
	}
}

func checkRead(t *testing.T, data []byte, v, usual any) {
	t.Helper()
	want := json.Unmarshal(data, usual)
	got := Unmarshal(data, v)
	if fmt.Sprint(got) != fmt.Sprint(want) || !reflect.DeepEqual(v, usual) {
		t.Errorf("%q: %v, want %v\nread %+v\nwant %+v", data, got, want, v, usual)
	}
}

// FuzzUnmarshal: every text is read as encoding/json reads it, errors included, and what was read is written as it writes it.
func FuzzUnmarshal(f *testing.F) {
	whole, err := json.Marshal(full())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(whole), "", "null", "[]", "{} {}", `{"S":["a","b"]}`, `{"S":["a",1]}`, `{"s":["case"]}`, `{"S":[],"S":["twice"]}`, `{"l":"level 5","l":null}`, `{"l":5}`,
		`{"m":{"a":1,"a":2}}`, `{"m":{"a":1},"m":{"b":2}}`, `{"deep":null}`, `{"deep":256}`, `{"a":[1,2,3]}`, `{"q":{"n":"5"}}`, `{"tagged":{"it's":1,"Quote":2}}`, `{"-":"x"}`, `{"new":[{"a":"\u0000"}]}`,
		`{"child":{"child":{"S":null}}}`, `{"flags":[true,null]}`, `{"B":"eA==","f":1e3}`, `{"levels":{"level 1":"x"}}`, `{"S":["\ud800"]}`, `{"S":["a",]}`, `{"S":["a""b"]}`, `{"t":"x"}`, `{"A":1,"g":2,"Z":{"H":["x"]}}`, `{"H":null}`, `{"Behind":{"g":1}}`, `{"G":1,"Y":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		read := full()
		*read = odd{S: []string{"old"}}
		checkRead(t, data, read, new(odd))
		checkRead(t, data, new(shadowing), new(shadowing))
		checkRead(t, data, new(pointing), new(pointing))
		checkRead(t, data, new(deep), new(deep))
		checkRead(t, data, new([]odd), new([]odd))
		if json.Valid(data) {
			checkEncoded(t, read)
		}
	})
}
