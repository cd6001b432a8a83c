// SPDX-License-Identifier: Apache-2.0

// Package deploy holds what a cluster runs the guard with, as kustomize and Helm have it.
// Its tests hold that against the program, the two forms against each other, and both
// against a real kube-apiserver.
package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"whohas/check"
	"whohas/snapshot"

	admission "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const (
	namespace = "whohas-system"
	name      = "whohas-guard"
	account   = "system:serviceaccount:whohas-system:whohas-guard"
	certifier = "system:serviceaccount:whohas-system:whohas-guard-certificate"
)

// forms are the folders that can be applied, and the values of the chart that say the same.
var forms = []struct {
	dir    string
	values []string
}{
	{"base", nil},
	{"overlays/single-node", []string{"replicas=1", "podDisruptionBudget.enabled=false"}},
	{"overlays/cert-manager", []string{"certManager.enabled=true"}},
	{"overlays/fail-closed", []string{"failurePolicy=Fail"}},
	{"overlays/monitoring", []string{"monitoring.enabled=true"}},
	{"overlays/network-policy", []string{"networkPolicy.enabled=true"}},
	{"overlays/metallb-configmap", []string{"configMaps.metallb=true"}},
	{"overlays/flannel-configmap", []string{"configMaps.flannel=true"}},
}

// build is what `kubectl kustomize` prints.
func build(tb testing.TB, dir string) []*unstructured.Unstructured {
	tb.Helper()
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := m.AsYaml()
	if err != nil {
		tb.Fatal(err)
	}
	return decode(tb, string(text))
}

func decode(tb testing.TB, text string) []*unstructured.Unstructured {
	tb.Helper()
	var out []*unstructured.Unstructured
	for d := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		o := &unstructured.Unstructured{}
		err := d.Decode(o)
		switch {
		case errors.Is(err, io.EOF):
			return out
		case err != nil:
			tb.Fatal(err)
		case len(o.Object) > 0:
			out = append(out, o)
		}
	}
}

func find(tb testing.TB, objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	tb.Helper()
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			return o
		}
	}
	tb.Fatalf("no %s %s", kind, name)
	return nil
}

func as[T any](tb testing.TB, o *unstructured.Unstructured) *T {
	tb.Helper()
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, out, true); err != nil {
		tb.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return out
}

func webhooks(tb testing.TB, dir string) *admission.ValidatingWebhookConfiguration {
	tb.Helper()
	return as[admission.ValidatingWebhookConfiguration](tb, find(tb, build(tb, dir), "ValidatingWebhookConfiguration", name))
}

// reads is what the program declares that it reads (internal/cli/inputs.go).
func reads(tb testing.TB) snapshot.Reads {
	tb.Helper()
	r, err := check.Reads()
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// served are the kinds of it that an API can serve; the others are formats of files.
func served(r snapshot.Reads) []snapshot.Kind {
	return slices.DeleteFunc(slices.Clone(r.Kinds()), func(k snapshot.Kind) bool {
		return strings.HasSuffix(k.Group, "kubeproxy.config.k8s.io") || strings.HasSuffix(k.Group, "kubeadm.k8s.io")
	})
}

// tool is where tools/build puts a program. Where it is not built, and tests are to be
// short, the test is skipped.
func tool(tb testing.TB, name string) string {
	tb.Helper()
	run := func(args ...string) string {
		var stderr bytes.Buffer
		cmd := exec.CommandContext(tb.Context(), "../tools/build", args...)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			tb.Fatalf("tools/build %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
		}
		return strings.TrimSpace(string(out))
	}
	path := run("--path", name)
	if _, err := exec.LookPath(path); err != nil {
		if testing.Short() {
			tb.Skipf("SKIPPED: not built: %s; run tools/build %s", path, name)
		}
		run(name)
	}
	return path
}

func key(o *unstructured.Unstructured) string {
	return fmt.Sprintf("%s %s %s/%s", o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName())
}
