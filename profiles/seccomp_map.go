package profiles

import (
	"path/filepath"
	"strings"
)

// A SeccompMapping gives containers a seccomp profile of the site's: those of an image, or those that carry an annotation. The
// profile only narrows what a container gets otherwise.
type SeccompMapping struct {
	// Image is a name as the engine writes it into the annotation: with tag or digest for that image alone, without either
	// for every image of the repository.
	Image string `json:"image,omitempty"`
	// Annotation and Value are a key and the whole of its value.
	Annotation string `json:"annotation,omitempty"`
	Value      string `json:"value,omitempty"`
	// Profile is the name of a registered seccomp profile: NAME.json in Config.SeccompDir.
	Profile string `json:"profile"`
}

// String says in words what the mapping is about.
func (m SeccompMapping) String() string {
	if m.Image != "" {
		return "image " + quoted(m.Image)
	}
	return "annotation " + quoted(m.Annotation) + " with value " + quoted(m.Value)
}

func quoted(s string) string { return `"` + s + `"` } // mappings are printable text

// ImageAnnotations are where engines leave the name of a container's image: containerd's CRI for a container and for a sandbox, and
// CRI-O. Docker leaves none.
func ImageAnnotations() []string {
	return []string{"io.kubernetes.cri.image-name", "io.kubernetes.cri.podsandbox.image-name", "io.kubernetes.cri-o.ImageName"}
}

// ImageName is the image's name in a container's annotations, or empty.
func ImageName(annotations map[string]string) string {
	for _, a := range ImageAnnotations() {
		if name := annotations[a]; name != "" {
			return name
		}
	}
	return ""
}

// SeccompFor finds the mapping of a container by its annotations. The most exact one wins: the image's whole name, the name without
// its digest, the name without tag and digest, and only then another annotation, of which the first in the file counts.
// An image comes first because the engine writes its name, while users may write annotations.
func (c Config) SeccompFor(annotations map[string]string) (SeccompMapping, bool) {
	if name := ImageName(annotations); name != "" {
		whole, _, _ := strings.Cut(name, "@")
		for _, wanted := range []string{name, whole, repository(whole)} {
			for _, m := range c.SeccompMap {
				if m.Image == wanted {
					return m, true
				}
			}
		}
	}
	for _, m := range c.SeccompMap {
		if m.Annotation == "" {
			continue
		}
		if value, given := annotations[m.Annotation]; given && value == m.Value {
			return m, true
		}
	}
	return SeccompMapping{}, false
}

// repository is an image's name without its tag: what follows the last colon, unless that is a registry's port.
func repository(name string) string {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i]
	}
	return name
}

// SeccompFile is the path of a registered seccomp profile.
func (c Config) SeccompFile(name string) string { return filepath.Join(c.SeccompDir, name+".json") }

func (c Config) validateSeccompMap() error {
	seen := map[SeccompMapping]bool{}
	for i, m := range c.SeccompMap {
		at := "seccompMap" + (&place{index: i}).String()
		switch {
		case (m.Image == "") == (m.Annotation == ""):
			return problemf(at, "names both or none of an image and an annotation, want one of them")
		case m.Image != "" && m.Value != "":
			return problemf(at+".value", "is %q, but only an annotation has a value", m.Value)
		case strings.ContainsRune(m.Image, ' '):
			return problemf(at+".image", "is %q, want a name without spaces", m.Image)
		case !validName(m.Profile):
			return problemf(at+".profile", "is %q, want %s", m.Profile, nameForm)
		}
		key := m
		key.Profile = ""
		if seen[key] {
			return problemf(at, "is about %s, which is mapped above", m)
		}
		seen[key] = true
	}
	return nil
}
