// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"whohas/cluster"
	"whohas/dataplane"
	"whohas/guard"
	"whohas/snapshot"
	"whohas/testkit/scenario"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// trial is one case: a scenario, and what of it is written under the guard's eyes.
type trial struct {
	name, what, link string
	*scenario.Scenario
	objects []*unstructured.Unstructured
	harmful bool               // what its findings blame is written last, and has to be refused
	seen    *snapshot.Snapshot // what an apiserver holds of it
	notes   []string

	looked   []string                     // objects that are written under the guard's eyes
	services []*unstructured.Unstructured // that the policy is asked about
	policy   []*unstructured.Unstructured // that is printed for the case's cluster
}

// newTrial reads a scenario's objects as they are written.
func newTrial(name string, s *scenario.Scenario, harmful bool) *trial {
	c := &trial{name: name, Scenario: s, harmful: harmful, seen: withoutHosts(s.Snapshot)}
	c.what, c.link = headline(s.Header)
	for _, m := range s.Manifests {
		if strings.HasPrefix(m.Name, "hosts/") {
			c.note("what a host's kernel holds is not in an apiserver")
			continue
		}
		objects, err := decode(m.Text)
		if err != nil {
			c.note("%s holds what is no manifest", m.Name)
		}
		c.objects = append(c.objects, objects...)
	}
	if s.Now.Year() == 2026 && s.Now.YearDay() > 1 { // it names a day, and the guard's clock is today's
		for _, o := range c.objects {
			later(o)
		}
		c.note("its permissions are given until 2099")
	}
	return c
}

// withoutHosts is a snapshot less what kernels show.
func withoutHosts(s *snapshot.Snapshot) *snapshot.Snapshot {
	into := new(snapshot.Builder)
	for _, o := range s.Objects {
		into.AddObject(o)
	}
	for i := range s.Pods {
		into.AddPod(s.Pods[i])
	}
	for i := range s.Slices {
		into.AddSlice(s.Slices[i])
	}
	for _, c := range s.Coverage {
		into.Cover(c)
	}
	return into.Snapshot()
}

// later moves the last day of a permission out of the way of the clock.
func later(o *unstructured.Unstructured) {
	notes := o.GetAnnotations()
	if allow, ok := notes["whohas.io/allow"]; ok {
		notes["whohas.io/allow"] = strings.ReplaceAll(allow, "2026-", "2099-")
		o.SetAnnotations(notes)
	}
}

func (c *trial) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(c.notes, n) {
		c.notes = append(c.notes, n)
	}
}

// headline is the first sentence of a scenario's header, and the report that it names.
func headline(header string) (what, link string) {
	var text []string
	for line := range strings.Lines(header) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "#"))
		if m := report.FindStringSubmatch(line); m != nil {
			link = m[1]
			continue
		}
		text = append(text, line)
	}
	what, _, _ = strings.Cut(strings.Join(text, " ")+" ", ". ")
	what = strings.TrimSuffix(strings.TrimSpace(what), ".")
	if rest := nearMiss.FindString(what); rest != "" {
		what = what[len(rest):]
	}
	return what, link
}

var (
	report   = regexp.MustCompile(`^[\w-]+: (https://\S+)$`)
	nearMiss = regexp.MustCompile(`^(?i)a near miss: `)
)

// mode is the proxy mode to tell the guard; "" if the cluster's objects show it. One that
// nothing shows is taken for the one in which most is refused.
func (c *trial) mode() (tell dataplane.ProxyMode, shown string) {
	if c.Mode != "" {
		return c.Mode, string(c.Mode) + " (told)"
	}
	if m := cluster.Infer(c.seen, "", "").Mode; m != dataplane.ModeUnknown {
		return "", string(m)
	}
	return dataplane.IPVS, "ipvs (not known)"
}

// blamed reports whether the guard is to refuse an object.
func (c *trial) blamed(o *unstructured.Unstructured) bool {
	return c.harmful && guard.Covers(refOf(o)) && slices.ContainsFunc(c.Want[""], func(line string) bool {
		_, who, _ := strings.Cut(line, " | ")
		return strings.Contains(line, " critical ") && slices.Contains(strings.Split(who, ", "), refOf(o).String())
	})
}

func refOf(o *unstructured.Unstructured) snapshot.Ref {
	gvk := o.GroupVersionKind()
	return snapshot.Ref{Group: gvk.Group, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// ours reports whether an object is the apiserver's own: it makes and keeps it.
func ours(o *unstructured.Unstructured) bool {
	r := refOf(o)
	return r.Kind == "IPAddress" || r.Name == "kubernetes" && (r.Kind == "ServiceCIDR" || r.Kind == "Service" && r.Namespace == "default")
}

// stage is the cluster of one case, as long as the case lasts.
type stage struct {
	*apiCluster
	made []*unstructured.Unstructured
}

// put writes an object and its status, as somebody who may do everything. What stands in
// two files is one object, and the later one counts. An apiserver wants a few things that
// no rule reads: they are filled in.
func (s *stage) put(ctx context.Context, o *unstructured.Unstructured) error {
	o = complete(o)
	if err := s.makeRoom(ctx, o); err != nil {
		return err
	}
	at, err := s.resource(o)
	if err != nil {
		return err
	}
	made, err := at.Get(ctx, o.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		if made, err = create(ctx, at, o); err == nil {
			s.made = append(s.made, made)
		}
	case err == nil: // as kubectl apply has it
		var patch []byte
		if patch, err = o.MarshalJSON(); err == nil {
			made, err = at.Patch(ctx, o.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
		}
	}
	if err != nil {
		return err
	}
	status, has := o.Object["status"]
	if !has || !separate(o) {
		return nil
	}
	made.Object["status"] = status
	_, err = at.UpdateStatus(ctx, made, metav1.UpdateOptions{})
	return err
}

// create waits for the range that makeRoom has made: the apiserver hands out its addresses
// once it has learned of it (kubernetes pkg/registry/core/service/ipallocator
// cidrallocator.go getAllocator, ErrMismatchedNetwork). Nobody has been asked before that.
func create(ctx context.Context, at dynamic.ResourceInterface, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		made, err := at.Create(ctx, o, metav1.CreateOptions{})
		if err == nil || !strings.Contains(err.Error(), "does not match the current range") || time.Now().After(end) {
			return made, err
		}
	}
}

// separate reports whether an object's status is written by itself.
func separate(o *unstructured.Unstructured) bool {
	return slices.Contains([]string{"Node", "Service", "Pod", "PersistentVolume", "DaemonSet"}, o.GetKind())
}

// complete is an object with what an apiserver demands and no rule reads.
func complete(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	switch o.GetKind() {
	case "Pod":
		completePod(o.Object, "spec")
	case "DaemonSet":
		labels := map[string]any{"of": o.GetName()}
		_ = unstructured.SetNestedMap(o.Object, map[string]any{"matchLabels": labels}, "spec", "selector")
		_ = unstructured.SetNestedMap(o.Object, labels, "spec", "template", "metadata", "labels")
		completePod(o.Object, "spec", "template", "spec")
	case "PersistentVolume":
		_ = unstructured.SetNestedStringSlice(o.Object, []string{"ReadWriteMany"}, "spec", "accessModes")
		_ = unstructured.SetNestedStringMap(o.Object, map[string]string{"storage": "1Gi"}, "spec", "capacity")
	case "Service":
		completePorts(o.Object)
		if ips, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "clusterIPs"); len(ips) > 1 {
			_ = unstructured.SetNestedField(o.Object, "RequireDualStack", "spec", "ipFamilyPolicy")
		}
	}
	return o
}

func completePod(o map[string]any, at ...string) {
	at = append(at, "containers")
	containers, _, _ := unstructured.NestedSlice(o, at...)
	if len(containers) == 0 {
		containers = []any{map[string]any{}}
	}
	for i := range containers {
		c := containers[i].(map[string]any)
		if c["name"] == nil {
			c["name"] = fmt.Sprintf("c%d", i)
		}
		if c["image"] == nil {
			c["image"] = "none"
		}
	}
	_ = unstructured.SetNestedSlice(o, containers, at...)
}

// completePorts names the ports of a Service that has several.
func completePorts(o map[string]any) {
	ports, _, _ := unstructured.NestedSlice(o, "spec", "ports")
	if len(ports) < 2 {
		return
	}
	for i := range ports {
		if p := ports[i].(map[string]any); p["name"] == nil {
			p["name"] = fmt.Sprintf("p%d", i)
		}
	}
	_ = unstructured.SetNestedSlice(o, ports, "spec", "ports")
}

// makeRoom makes a ServiceCIDR for a ClusterIP that lies in none: clusters have others
// than this one. No controller is here that would find it ready.
func (s *stage) makeRoom(ctx context.Context, o *unstructured.Unstructured) error {
	text, _, _ := unstructured.NestedString(o.Object, "spec", "clusterIP")
	ip, err := netip.ParseAddr(text)
	if err != nil || o.GetKind() != "Service" || netip.MustParsePrefix(serviceRange).Contains(ip) {
		return nil
	}
	net := netip.PrefixFrom(ip, 24).Masked().String()
	room := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
		"metadata": map[string]any{"name": strings.NewReplacer(".", "-", "/", "-").Replace(net)},
		"spec":     map[string]any{"cidrs": []any{net}},
	}}
	at, err := s.resource(room)
	if err != nil {
		return err
	}
	made, err := at.Create(ctx, room, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("room for a ClusterIP: %w", err)
	}
	s.made = append(s.made, made)
	made.Object["status"] = map[string]any{"conditions": []any{map[string]any{
		"type": "Ready", "status": "True", "reason": "Made", "message": "by a test", "lastTransitionTime": "2026-01-01T00:00:00Z",
	}}}
	_, err = at.UpdateStatus(ctx, made, metav1.UpdateOptions{})
	return err
}

// take removes an object; it need not be there.
func (s *stage) take(ctx context.Context, o *unstructured.Unstructured) error {
	at, err := s.resource(o)
	if err != nil {
		return err
	}
	now := int64(0)
	err = at.Delete(ctx, o.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now})
	if o.GetKind() == "ServiceCIDR" && err == nil { // no controller is here that takes its finalizer away
		_, err = at.Patch(ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// clear removes everything, the last first.
func (s *stage) clear(ctx context.Context) error {
	var errs []error
	for _, o := range slices.Backward(s.made) {
		errs = append(errs, s.take(ctx, o))
	}
	s.made = nil
	return errors.Join(errs...)
}

// verdict is what became of a write.
type verdict struct {
	asked   []string // which objects were asked about
	rules   []string // that refused one
	message string   // the first line of the first refusal
	itself  string   // why the apiserver itself does not take it
}

// add is the verdict on one more write.
func (v *verdict) add(w verdict) {
	v.rules = append(v.rules, w.rules...)
	slices.Sort(v.rules)
	v.rules = slices.Compact(v.rules)
	v.message = cmp.Or(v.message, w.message)
}

var ruleID = regexp.MustCompile(`(?m)^WH\d{3}`)

// judge reads an error of a write.
func judge(err error) verdict {
	if err == nil {
		return verdict{}
	}
	for _, mark := range []string{"denied the request: ", "denied request: "} {
		if _, message, ok := strings.Cut(err.Error(), mark); ok {
			first, _, _ := strings.Cut(message, "\n")
			ids := ruleID.FindAllString(message, -1)
			slices.Sort(ids)
			return verdict{rules: slices.Compact(ids), message: strings.TrimSuffix(first, ".")}
		}
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	if r := []rune(first); len(r) > 160 {
		first = string(r[:160]) + "..."
	}
	return verdict{itself: first}
}
