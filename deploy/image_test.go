// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"os"
	"regexp"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// imageName is how tools/image names what it makes, where nobody says otherwise.
var imageName = regexp.MustCompile(`func imageName\(program string\) string \{ return "([^"]+)" \+ program \+ "([^"]+)" \}`)

// TestImageName: base, overlays and chart run what `make image` makes.
func TestImageName(t *testing.T) {
	text, err := os.ReadFile("../tools/image/main.go")
	if err != nil {
		t.Fatal(err)
	}
	m := imageName.FindSubmatch(text)
	if m == nil {
		t.Fatal("tools/image names its images otherwise")
	}
	want := func(program string) string { return string(m[1]) + program + string(m[2]) }
	helm := tool(t, "helm")
	for _, form := range forms {
		made := map[string][]*unstructured.Unstructured{
			"kustomize": build(t, form.dir),
			"chart":     decode(t, render(t, helm, form.values...)),
		}
		for by, objects := range made {
			n := 0
			for _, o := range objects {
				for _, image := range images(o.Object) {
					n++
					if image != want("whohas-guard") {
						t.Errorf("%s by %s: %s %s runs %s, not %s", form.dir, by, o.GetKind(), o.GetName(), image, want("whohas-guard"))
					}
				}
			}
			if n == 0 {
				t.Errorf("%s by %s: no image", form.dir, by)
			}
		}
	}
}

// images are those of an object's containers, wherever its Pod's template stands.
func images(value any) []string {
	var out []string
	switch value := value.(type) {
	case map[string]any:
		if image, ok := value["image"].(string); ok {
			out = append(out, image)
		}
		for _, v := range value {
			out = append(out, images(v)...)
		}
	case []any:
		for _, v := range value {
			out = append(out, images(v)...)
		}
	}
	return out
}
