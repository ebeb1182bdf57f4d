package main

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var (
	plain      = registration{Names: []string{"bulkhead"}, Paths: map[string]string{"bulkhead": "/usr/local/bin/bulkhead"}}
	restricted = registration{
		Names:   []string{"bulkhead", "bulkhead-restricted"},
		Paths:   map[string]string{"bulkhead": "/usr/local/bin/bulkhead", "bulkhead-restricted": "/usr/local/bin/bulkhead-restricted"},
		Default: "bulkhead-restricted",
	}
)

func TestAddRuntimes(t *testing.T) {
	tests := []struct {
		name, text string
		plan       registration
		want       string
		done       []string
	}{
		{"nothing", "", plain, "{\n  \"runtimes\": {\n    \"bulkhead\": {\n      \"path\": \"/usr/local/bin/bulkhead\"\n    }\n  }\n}\n",
			[]string{`runtime "bulkhead" is /usr/local/bin/bulkhead`}},
		{"empty object", "{}", plain, `{"runtimes": {"bulkhead": {"path":"/usr/local/bin/bulkhead"}}}`,
			[]string{`runtime "bulkhead" is /usr/local/bin/bulkhead`}},
		{"one line", `{"debug":true}`, plain, `{"debug":true, "runtimes": {"bulkhead": {"path":"/usr/local/bin/bulkhead"}}}`,
			[]string{`runtime "bulkhead" is /usr/local/bin/bulkhead`}},
		{"four spaces and odd layout", "{\n    \"hosts\": [ \"fd://\" ],\n    \"debug\"  :  true\n}\n", plain,
			"{\n    \"hosts\": [ \"fd://\" ],\n    \"debug\"  :  true,\n    \"runtimes\": {\n        \"bulkhead\": {\n            \"path\": \"/usr/local/bin/bulkhead\"\n        }\n    }\n}\n",
			[]string{`runtime "bulkhead" is /usr/local/bin/bulkhead`}},
		{"tabs, another runtime, a profile and the default",
			"{\n\t\"runtimes\": {\n\t\t\"nvidia\": {\n\t\t\t\"path\": \"nvidia-container-runtime\", \"runtimeArgs\": []\n\t\t}\n\t},\n\t\"default-runtime\": \"nvidia\"\n}", restricted,
			"{\n\t\"runtimes\": {\n\t\t\"nvidia\": {\n\t\t\t\"path\": \"nvidia-container-runtime\", \"runtimeArgs\": []\n\t\t},\n" +
				"\t\t\"bulkhead\": {\n\t\t\t\"path\": \"/usr/local/bin/bulkhead\"\n\t\t},\n" +
				"\t\t\"bulkhead-restricted\": {\n\t\t\t\"path\": \"/usr/local/bin/bulkhead-restricted\"\n\t\t}\n\t},\n\t\"default-runtime\": \"bulkhead-restricted\"\n}",
			[]string{`runtime "bulkhead" is /usr/local/bin/bulkhead`, `runtime "bulkhead-restricted" is /usr/local/bin/bulkhead-restricted`,
				`the default runtime is "bulkhead-restricted", it was "nvidia"`}},
		{"an older path of ours", `{"runtimes":{"bulkhead":{"path":"/opt/bulkhead","runtimeArgs":["--debug"]}}}`, plain,
			`{"runtimes":{"bulkhead":{"path":"/usr/local/bin/bulkhead"}}}`, []string{`runtime "bulkhead" is /usr/local/bin/bulkhead now`}},
		{"windows line ends", "{\r\n  \"debug\": true\r\n}\r\n", plain,
			"{\r\n  \"debug\": true,\r\n  \"runtimes\": {\r\n    \"bulkhead\": {\r\n      \"path\": \"/usr/local/bin/bulkhead\"\r\n    }\r\n  }\r\n}\r\n",
			[]string{`runtime "bulkhead" is /usr/local/bin/bulkhead`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, done, err := addRuntimes([]byte(tt.text), tt.plan)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want || !slices.Equal(done, tt.done) {
				t.Errorf("got\n%s\n%q\nwant\n%s\n%q", got, done, tt.want, tt.done)
			}
			again, done, err := addRuntimes(got, tt.plan)
			if err != nil || string(again) != string(got) || len(done) != 0 {
				t.Errorf("the second time: %q, %v\n%s", done, err, again)
			}
		})
	}
}

func TestAddRuntimesRefusals(t *testing.T) {
	tests := []struct{ text, want string }{
		{"{", "line 1: it ends too early"},
		{"{\n\"debug\": tru\n}", "line 2: invalid character '\\n' in literal true (expecting 'e')"},
		{"[]", "line 1: is not an object"},
		{"{} {}", "line 1: there is something behind the closing brace"},
		{"{\"a\":1,\n\"a\":2}", `line 2: "a" is given twice`},
		{`{"runtimes":[]}`, "runtimes: line 1: is not an object"},
		{`{"runtimes":{"bulkhead":{"path":"/opt/other"}}}`, "line 1: runtimes.bulkhead is another runtime; choose a --name for bulkhead's"},
		{`{"runtimes":{"bulkhead":{"runtimeType":"io.containerd.x.v1"}}}`, "line 1: runtimes.bulkhead is another runtime; choose a --name for bulkhead's"},
		{`{"default-runtime":7}`, "line 1: default-runtime: json: cannot unmarshal number into Go value of type string"},
	}
	for _, tt := range tests {
		_, _, err := addRuntimes([]byte(tt.text), restricted)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestRemoveRuntimes(t *testing.T) {
	tests := []struct{ name, text, only, want string }{
		{"not there", `{"debug":true}`, "", `{"debug":true}`},
		{"another's stays", `{"runtimes":{"a":{"path":"/x"}, "bulkhead":{"path":"/usr/bin/bulkhead"}}, "default-runtime":"a"}`, "",
			`{"runtimes":{"a":{"path":"/x"}}, "default-runtime":"a"}`},
		{"one of two", `{"runtimes":{"bulkhead":{"path":"/b/bulkhead"},"bulkhead-x":{"path":"/b/bulkhead-x"}}}`, "bulkhead",
			`{"runtimes":{"bulkhead-x":{"path":"/b/bulkhead-x"}}}`},
		{"all, and the default", "{\n  \"default-runtime\": \"bulkhead\",\n  \"runtimes\": {\n    \"bulkhead\": {\"path\": \"/b/bulkhead\"}\n  },\n  \"debug\": true\n}\n", "",
			"{\n  \"debug\": true\n}\n"},
	}
	for _, tt := range tests {
		got, _, _, err := removeRuntimes([]byte(tt.text), tt.only)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.name, err, got, tt.want)
		}
	}
}

// The law: whatever valid text is given, what is added is there, everything else means what it meant, a second time changes
// nothing, and what is removed again leaves the meaning of the beginning.
func FuzzRuntimes(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "{ }", "{\n}", `{"a":{"b":[1,{"c":"}"}]},"runtimes":{}}`, "{\"x\":\"\\u007d,\\\"\" \n,\t\"y\":[ ]}", `{"runtimes":{"a":{}}}`,
		`{"runtimes": {"runc2": {"path": "runc"}},` + "\n" + `"default-runtime": "runc2"}`, "\ufeff{}", `{"a":1}x`, "{\"a\":1\n}", "{\n\"a\":1}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		before := map[string]any{}
		if json.Unmarshal([]byte(text), &before) != nil && strings.TrimSpace(text) != "" {
			if _, _, err := addRuntimes([]byte(text), plain); err == nil {
				t.Fatalf("broken text was taken: %q", text)
			}
			return
		}
		got, _, err := addRuntimes([]byte(text), plain)
		if err != nil {
			return
		}
		after := map[string]any{}
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
		if again, done, err := addRuntimes(got, plain); err != nil || string(again) != string(got) || len(done) > 0 {
			t.Fatalf("the second time %q became %q: %v", got, again, err)
		}
		had, _ := before[runtimesKey].(map[string]any)
		if _, was := had["bulkhead"]; was {
			return // then removing takes away what was there before, too
		}
		for _, value := range had {
			if b, _ := json.Marshal(value); ours(b) {
				return
			}
		}
		back, _, _, err := removeRuntimes(got, "")
		if err != nil {
			t.Fatalf("remove from %q: %v", got, err)
		}
		end := map[string]any{}
		if err := json.Unmarshal(back, &end); err != nil {
			t.Fatalf("%q became %q: %v", got, back, err)
		}
		if d, ok := before[defaultKey].(string); ok && d == "bulkhead" {
			return
		}
		if !reflect.DeepEqual(withoutEmptyTable(end), withoutEmptyTable(before)) {
			t.Fatalf("%q came back as %q", text, back)
		}
	})
}
