// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

// TestChart: helm renders the packed chart, with the image of this release.
func TestChart(t *testing.T) {
	r := current(t)
	helm, err := r.tool("helm")
	if err != nil {
		t.Fatal(err)
	}
	chart := one(t, made(t), ".tgz")
	files := unpack(t, chart.data)
	if files[0].path != guard+"/Chart.yaml" {
		t.Errorf("it begins with %s", files[0].path)
	}
	path, env := saved(t, chart), []string{"HELM_CACHE_HOME=" + t.TempDir()}
	say(t, env, helm, "lint", "--strict", path)
	manifests := say(t, env, helm, "template", "x", path, "--kube-version", "1.36.0")
	if got, want := strings.Count(manifests, "image: ghcr.io/whohas/whohas-guard:"+r.name+"\n"), strings.Count(manifests, "image: "); got != want || got == 0 {
		t.Errorf("%d of %d images are of %s", got, want, r.name)
	}
	if about := say(t, env, helm, "show", "chart", path); !strings.Contains(about, "version: "+r.version+"\n") {
		t.Errorf("%s", about)
	}
}
