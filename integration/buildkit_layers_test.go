package integration

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// archived are the files of an archive.
func archived(t testing.TB, archive string) map[string][]byte {
	t.Helper()
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	eachEntry(t, data, func(h *tar.Header, content []byte) { files[h.Name] = content })
	return files
}

// layersOf lists each layer of an image in an OCI archive: of each entry its kind, name, mode, owner, link and content. Times
// are left out.
func layersOf(t testing.TB, archive string) []string {
	t.Helper()
	files := archived(t, archive)
	type descriptor struct{ MediaType, Digest string }
	var index struct{ Manifests []descriptor }
	var manifest struct{ Layers []descriptor }
	blob := func(d descriptor) []byte {
		return files["blobs/"+strings.ReplaceAll(d.Digest, ":", "/")]
	}
	err := json.Unmarshal(files["index.json"], &index)
	if err == nil && len(index.Manifests) == 1 {
		err = json.Unmarshal(blob(index.Manifests[0]), &manifest)
	}
	if err != nil || len(manifest.Layers) == 0 {
		t.Fatalf("read %s: %v: %s", archive, err, files["index.json"])
	}
	var layers []string
	for _, l := range manifest.Layers {
		layers = append(layers, layerEntries(t, blob(l)))
	}
	return layers
}

// layerEntries lists a layer.
func layerEntries(t testing.TB, layer []byte) string {
	t.Helper()
	var lines []string
	eachEntry(t, layer, func(h *tar.Header, content []byte) {
		attributes := fmt.Sprint(h.PAXRecords)
		lines = append(lines, fmt.Sprintf("%c %s %o %d/%d %q %x %s", h.Typeflag, h.Name, h.Mode, h.Uid, h.Gid, h.Linkname, sha256.Sum256(content), attributes))
	})
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func eachEntry(t testing.TB, archive []byte, f func(*tar.Header, []byte)) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(r)
		}
		if err != nil {
			t.Fatal(err)
		}
		f(h, content)
	}
}
