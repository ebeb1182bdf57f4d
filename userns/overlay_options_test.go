package userns

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseOverlayOptions(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       overlayOptions
		err        string
	}{
		{name: "docker", text: "rw,lowerdir=/o/l/A:/o/l/B,upperdir=/o/c/diff,workdir=/o/c/work,index=off",
			want: overlayOptions{lower: []string{"/o/l/A", "/o/l/B"}, upper: "/o/c/diff",
				keep: []overlayOption{{"index", "off"}}}},
		{name: "every kept option", text: "rw,seclabel,lowerdir=a,upperdir=b/c,workdir=b/d,redirect_dir=on,metacopy=on," +
			"xino=off,uuid=null,verity=require,volatile,userxattr,default_permissions,fsync=strict,nfs_export=off",
			want: overlayOptions{lower: []string{"a"}, upper: "b/c", keep: []overlayOption{
				{"redirect_dir", "on"}, {"metacopy", "on"}, {"xino", "off"}, {"uuid", "null"}, {"verity", "require"},
				{"volatile", ""}, {"userxattr", ""}, {"default_permissions", ""}, {"fsync", "strict"}, {"nfs_export", "off"}}}},
		{name: "label", text: `rw,context="system_u:object_r:container_file_t:s0:c1,c2",lowerdir=/a`,
			want: overlayOptions{lower: []string{"/a"},
				keep: []overlayOption{{"context", "system_u:object_r:container_file_t:s0:c1,c2"}}}},
		{name: "quotes in paths", text: `rw,lowerdir="/a,upperdir=/b"c/d,workdir=/w`,
			want: overlayOptions{lower: []string{`"/a`}, upper: `/b"c/d`}},
		{name: "escapes of both kinds", text: `rw,lowerdir=/a\134:b:/c\040d:/e\134\134f:/g\134\054h:/i\072j`,
			want: overlayOptions{lower: []string{"/a:b", "/c d", `/e\f`, "/g,h", "/i:j"}}},
		{name: "one by one", text: `rw,lowerdir+=/a:b,lowerdir+=/c\012d,datadir+=/e,upperdir=/u\054v/d,workdir=/w`,
			want: overlayOptions{lower: []string{"/a:b", "/c\nd"}, data: []string{"/e"}, upper: "/u,v/d"}},
		{name: "data layers", text: "ro,lowerdir=/a:/b::/c::/d",
			want: overlayOptions{lower: []string{"/a", "/b"}, data: []string{"/c", "/d"}}},
		{name: "index without upper", text: "ro,lowerdir=/a:/b,index=on,nfs_export=on",
			want: overlayOptions{lower: []string{"/a", "/b"}}},
		{name: "index", text: "rw,lowerdir=/a,upperdir=/u/d,workdir=/w,index=on,nfs_export=on",
			err: `use upper directory "/u/d": index=on and nfs_export=on lets the kernel mount it only once; ` +
				`mount the engine's overlay with index=off`},
		{name: "unknown", text: "rw,lowerdir=/a,upperdir=/u/d,workdir=/w,magic=on",
			err: `read overlay options: option "magic" is not known`},
		{name: "no layer", text: "rw", err: "read overlay options: no lowerdir"},
		{name: "empty layer", text: "rw,lowerdir=/a:", err: `read overlay options: lowerdir "/a:" has an empty layer`},
		{name: "only data", text: "rw,lowerdir=::/a", err: `read overlay options: lowerdir "::/a" has an empty layer`},
		{name: "lower below data", text: "rw,lowerdir=/a::/b:/c",
			err: `read overlay options: lowerdir "/a::/b:/c" has a layer below a data layer`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseOverlayOptions(tc.text)
			if tc.err != "" {
				wantError(t, err, tc.err)
				return
			}
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tc.want)
			}
		})
	}
}

// Law: what the kernel writes for any list of layers is read back as that list.
func FuzzSplitLayers(f *testing.F) {
	f.Add("/a\n/b")
	f.Add("/a:b\n/c,d\n/e f\\g")
	f.Add("\\\n:")
	f.Fuzz(func(t *testing.T, text string) {
		var want []string
		for name := range strings.SplitSeq(text, "\n") {
			if name != "" {
				want = append(want, name)
			}
		}
		if len(want) == 0 {
			return
		}
		mounter := strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`)
		kernel := strings.NewReplacer(`\`, `\134`, ",", `\054`, "=", `\075`, " ", `\040`, "\t", `\011`)
		var shown []string
		for _, name := range want {
			shown = append(shown, kernel.Replace(mounter.Replace(name)))
		}
		lower, data, err := splitLayers(strings.Join(shown, ":"))
		if err != nil || data != nil || !reflect.DeepEqual(lower, want) {
			t.Errorf("%q: got %q, %q, %v", want, lower, data, err)
		}
	})
}

// Law: no text of a mount table makes the parser fail otherwise than by an error.
func FuzzParseOverlayOptions(f *testing.F) {
	f.Add(`rw,lowerdir=/a\134:b:/c,upperdir=/u/d,workdir=/w,context="a,b"`)
	f.Add(`rw,context="a`)
	f.Add(`lowerdir=\07:\`)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseOverlayOptions(text)
		if err == nil && len(o.lower) == 0 {
			t.Error("no layer and no error")
		}
	})
}
