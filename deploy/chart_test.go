// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestChart holds what the chart renders against what kustomize builds, in each form.
func TestChart(t *testing.T) {
	helm := tool(t, "helm")
	for _, form := range forms {
		t.Run(form.dir, func(t *testing.T) {
			want := byKey(build(t, form.dir))
			got := byKey(decode(t, render(t, helm, append([]string{"namespace.create=true"}, form.values...)...)))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-kustomize +chart:\n%s", diff)
			}
		})
	}
}

// TestChartDefaults: but for the Namespace, which helm makes if it is asked to.
func TestChartDefaults(t *testing.T) {
	want := byKey(build(t, "base"))
	delete(want, "v1 Namespace /whohas-system")
	if diff := cmp.Diff(want, byKey(decode(t, render(t, tool(t, "helm"))))); diff != "" {
		t.Errorf("-kustomize +chart:\n%s", diff)
	}
}

// TestChartRefuses what cannot be meant.
func TestChartRefuses(t *testing.T) {
	helm := tool(t, "helm")
	for values, want := range map[string]string{
		"replicas=1,failurePolicy=Fail":                        "at least 2 replicas",
		"failurePolicy=Fail,podDisruptionBudget.enabled=false": "PodDisruptionBudget",
		"replicas=0":            "minimum",
		"failurePolicy=Perhaps": "failurePolicy",
		"proxyMode=magic":       "proxyMode",
		"nonsense=1":            "nonsense",
		"image.digest=sha256:1": "digest",
	} {
		_, err := helmTemplate(t, helm, strings.Split(values, ",")...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", values, err, want)
		}
	}
}

// TestChartOptions: the rest of the values reach the command line.
func TestChartOptions(t *testing.T) {
	objects := decode(t, render(t, tool(t, "helm"), "proxyMode=ipvs", "extraArgs={--log-level=debug}", "config.proxyMode=ipvs", "nodeSelector.disk=ssd", "image.digest=sha256:"+strings.Repeat("0", 64)))
	d := find(t, objects, "Deployment", name)
	containers, _, err := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	c := containers[0].(map[string]any)
	if diff := cmp.Diff([]any{"serve", "--proxy-mode=ipvs", "--config=/config/whohas.yaml", "--log-level=debug"}, c["args"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("ghcr.io/whohas/whohas-guard@sha256:"+strings.Repeat("0", 64), c["image"]); diff != "" {
		t.Error(diff)
	}
	config, _, _ := unstructured.NestedString(find(t, objects, "ConfigMap", "whohas-guard-config").Object, "data", "whohas.yaml")
	if config != "proxyMode: ipvs\n" {
		t.Errorf("config: %q", config)
	}
}

// TestSchema: each value of the first rank has its place in the schema, and the schema
// names none that is not there.
func TestSchema(t *testing.T) {
	text, raw := file(t, "chart/whohas-guard/values.yaml"), file(t, "chart/whohas-guard/values.schema.json")
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal([]byte(raw), &schema); err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	for v := range values {
		if _, ok := schema.Properties[v]; !ok {
			t.Errorf("%s is not in the schema", v)
		}
		delete(schema.Properties, v)
	}
	delete(schema.Properties, "global") // Helm's own
	for v := range schema.Properties {
		t.Errorf("the schema has %s, the values have not", v)
	}
}

// TestMetricNames: rules and dashboard ask for metrics that the program has, or the
// apiserver.
func TestMetricNames(t *testing.T) {
	source := file(t, "../guard/server/metrics.go")
	asked := map[string]bool{}
	for _, path := range []string{"components/monitoring/rules.yaml", "components/monitoring/dashboard.json"} {
		for _, m := range regexp.MustCompile(`\bwhohas_[a-z_]+`).FindAllString(file(t, path), -1) {
			asked[m] = true
			if !strings.Contains(source, `"`+strings.TrimSuffix(m, "_bucket")+`"`) {
				t.Errorf("%s: %s: no such metric", path, m)
			}
		}
	}
	for _, m := range regexp.MustCompile(`"(whohas_[a-z_]+)"`).FindAllStringSubmatch(source, -1) {
		if !asked[m[1]] && !asked[m[1]+"_bucket"] {
			t.Errorf("%s is in no rule and on no dashboard", m[1])
		}
	}
}

// TestPage: the page has every metric, every alert and every component.
func TestPage(t *testing.T) {
	page := file(t, "../docs/guard-install.md")
	for _, m := range regexp.MustCompile(`"(whohas_[a-z_]+)"`).FindAllStringSubmatch(file(t, "../guard/server/metrics.go"), -1) {
		if !strings.Contains(page, m[1]) {
			t.Errorf("the page lacks the metric %s", m[1])
		}
	}
	for _, a := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(file(t, "components/monitoring/rules.yaml"), -1) {
		if !strings.Contains(page, "| "+a[1]+" |") {
			t.Errorf("the page lacks the alert %s", a[1])
		}
	}
	components, err := os.ReadDir("components")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range components {
		if !strings.Contains(page, "| "+c.Name()+" |") {
			t.Errorf("the page lacks the component %s", c.Name())
		}
	}
}

func file(tb testing.TB, path string) string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func byKey(objects []*unstructured.Unstructured) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, o := range objects {
		out[key(o)] = o.Object
	}
	return out
}

func render(tb testing.TB, helm string, set ...string) string {
	tb.Helper()
	out, err := helmTemplate(tb, helm, set...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// helmTemplate does what an installation does, but for the cluster.
func helmTemplate(tb testing.TB, helm string, set ...string) (string, error) {
	tb.Helper()
	args := []string{"template", "whohas-guard", "chart/whohas-guard", "--namespace", namespace, "--kube-version", "1.36.0"}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	cmd := exec.CommandContext(tb.Context(), helm, args...)
	cmd.Env = slices.Concat(os.Environ(), []string{"HOME=" + tb.TempDir(), "HELM_PLUGINS=/nonexistent"})
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", &refusedError{err, stderr.String()}
	}
	return stdout.String(), nil
}

type refusedError struct {
	error
	said string
}

func (e *refusedError) Error() string { return e.error.Error() + ": " + e.said }
