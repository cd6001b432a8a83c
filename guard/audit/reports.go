// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"fmt"
	"time"

	"whohas/rule"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// mostResults bounds a report: an object is at most 1.5 MiB in etcd.
const mostResults = 1000

// form is a kind of report object. Both have the same fields.
type form struct {
	resource schema.GroupVersionResource
	kind     string
}

// The forms, the living one first: the Kubernetes working group's API was given up for
// OpenReports in May 2025.
var (
	openReport   = form{schema.GroupVersionResource{Group: "openreports.io", Version: "v1alpha1", Resource: "clusterreports"}, "ClusterReport"}
	policyReport = form{schema.GroupVersionResource{Group: "wgpolicyk8s.io", Version: "v1alpha2", Resource: "clusterpolicyreports"}, "ClusterPolicyReport"}
)

// Reports keeps one report object of the whole cluster, which dashboards read.
type Reports struct {
	client dynamic.Interface
	forms  []form
	name   string
}

// NewReports makes a publisher of "openreports", "policyreport" or "auto", which takes
// what is installed. A cluster without the kind gets none; that is no error.
func NewReports(client dynamic.Interface, which, name string) (*Reports, error) {
	forms, ok := map[string][]form{"auto": {openReport, policyReport}, "openreports": {openReport}, "policyreport": {policyReport}}[which]
	if !ok {
		return nil, fmt.Errorf("reports %q: want auto, openreports, policyreport or none", which)
	}
	return &Reports{client, forms, name}, nil
}

// Publish implements Publisher.
func (p *Reports) Publish(ctx context.Context, r *Round) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, f := range p.forms {
		_, err := p.client.Resource(f.resource).Apply(ctx, p.name, p.report(f, r), metav1.ApplyOptions{FieldManager: "whohas", Force: true})
		if apierrors.IsNotFound(err) {
			continue // not installed
		}
		if err != nil {
			return fmt.Errorf("write %s %s: %w", f.kind, p.name, err)
		}
		return nil
	}
	return nil
}

func (p *Reports) report(f form, r *Round) *unstructured.Unstructured {
	var results []any
	counts := map[string]int64{"pass": 0, "fail": 0, "warn": 0, "error": 0, "skip": int64(len(r.Allowed))}
	for i := range r.Findings {
		x := &r.Findings[i]
		counts[resultOf(x)]++
		if len(results) < mostResults {
			results = append(results, result(x, r.Taken))
		}
	}
	summary := map[string]any{}
	for k, n := range counts {
		summary[k] = n
	}
	o := map[string]any{
		"apiVersion": f.resource.GroupVersion().String(), "kind": f.kind,
		"metadata": map[string]any{"name": p.name, "labels": map[string]any{"app.kubernetes.io/managed-by": "whohas"}},
		"summary":  summary, "results": results,
	}
	if f == openReport {
		o["source"] = "whohas"
	}
	if left := len(r.Findings) - len(results); left > 0 {
		o["metadata"].(map[string]any)["annotations"] = map[string]any{"whohas.io/left-out": fmt.Sprint(left)}
	}
	return &unstructured.Unstructured{Object: o}
}

func result(f *rule.Finding, at time.Time) map[string]any {
	var resources []any
	for _, r := range concerned(f) {
		ref := Reference(r)
		m := map[string]any{"apiVersion": ref.APIVersion, "kind": ref.Kind, "name": ref.Name}
		if ref.Namespace != "" {
			m["namespace"] = ref.Namespace
		}
		resources = append(resources, m)
	}
	return map[string]any{
		"source": "whohas", "policy": f.Rule.Name, "rule": f.Rule.ID, "category": "addresses",
		"severity": severityOf(f), "result": resultOf(f), "scored": true,
		"timestamp": map[string]any{"seconds": at.Unix(), "nanos": int64(0)},
		"resources": resources, "message": note(f),
		"properties": map[string]any{"address": f.Place(), "fingerprint": f.Fingerprint()},
	}
}

func resultOf(f *rule.Finding) string {
	if f.Severity >= rule.Error {
		return "fail"
	}
	return "warn"
}

// severityOf is the finding's severity in the report's own words.
func severityOf(f *rule.Finding) string {
	return map[rule.Severity]string{rule.Critical: "critical", rule.Error: "high", rule.Warning: "medium", rule.Info: "info"}[f.Severity]
}
