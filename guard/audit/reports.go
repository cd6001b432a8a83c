// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"whohas/rule"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// What bounds a report: an object is at most 1.5 MiB in etcd.
const (
	mostResults   = 1000
	mostBytes     = 1_400_000
	mostResources = 50 // of one result: thousands may claim one address
)

// leftOut is the annotation that says how many results a report leaves out.
const leftOut = "whohas.io/left-out"

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
		err := p.write(ctx, f, p.report(f, r))
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

// write writes a report that says something else than the one that is there. The time
// of a result is when it was first written: else each round would write all of it, and
// two leaders, of whom there can be two for a while, would write it over and over.
func (p *Reports) write(ctx context.Context, f form, now *unstructured.Unstructured) error {
	there, err := p.client.Resource(f.resource).Get(ctx, p.name, metav1.GetOptions{})
	switch {
	case err == nil && says(there) == says(now):
		return nil
	case err != nil && !apierrors.IsNotFound(err):
		return err
	}
	_, err = p.client.Resource(f.resource).Apply(ctx, p.name, now, metav1.ApplyOptions{FieldManager: "whohas", Force: true})
	return err
}

// says is what a report says, but for the times.
func says(o *unstructured.Unstructured) string {
	results, _, _ := unstructured.NestedSlice(o.Object, "results")
	for _, x := range results { // a copy
		if m, ok := x.(map[string]any); ok {
			delete(m, "timestamp")
		}
	}
	text, err := json.Marshal([]any{o.Object["summary"], o.GetAnnotations()[leftOut], o.GetLabels()["app.kubernetes.io/managed-by"], results})
	if err != nil {
		return ""
	}
	return string(text)
}

func (p *Reports) report(f form, r *Round) *unstructured.Unstructured {
	var results []any
	room := mostBytes
	counts := map[string]int64{"pass": 0, "fail": 0, "warn": 0, "error": 0, "skip": int64(len(r.Suppressed))}
	for i := range r.Findings {
		x := &r.Findings[i]
		counts[resultOf(x)]++
		if len(results) == mostResults || room < 0 {
			continue
		}
		one := result(x, r.Taken)
		text, _ := json.Marshal(one) // of maps and strings: it cannot fail
		if room -= len(text); room >= 0 {
			results = append(results, one)
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
		o["metadata"].(map[string]any)["annotations"] = map[string]any{leftOut: fmt.Sprint(left)}
	}
	return &unstructured.Unstructured{Object: o}
}

func result(f *rule.Finding, at time.Time) map[string]any {
	var resources []any
	on := concerned(f)
	for _, r := range on[:min(len(on), mostResources)] {
		ref := Reference(r)
		m := map[string]any{"apiVersion": ref.APIVersion, "kind": ref.Kind, "name": ref.Name}
		if ref.Namespace != "" {
			m["namespace"] = ref.Namespace
		}
		resources = append(resources, m)
	}
	properties := map[string]any{"address": f.Place(), "fingerprint": f.Fingerprint()}
	if left := len(on) - len(resources); left > 0 {
		properties["resourcesLeftOut"] = fmt.Sprint(left)
	}
	return map[string]any{
		"source": "whohas", "policy": f.Rule.Name, "rule": f.Rule.ID, "category": "addresses",
		"severity": severityOf(f), "result": resultOf(f), "scored": true,
		"timestamp": map[string]any{"seconds": at.Unix(), "nanos": int64(0)},
		"resources": resources, "message": note(f),
		"properties": properties,
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
