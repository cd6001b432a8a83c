// SPDX-License-Identifier: Apache-2.0

package who_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/claim"
	"whohas/snapshot"
	"whohas/who"
)

var kinds = []snapshot.Kind{
	{Kind: "Service", Resource: "services", Namespaced: true}, {Kind: "Node", Resource: "nodes"},
	{Group: "gateway.networking.k8s.io", Kind: "Gateway", Resource: "gateways", Namespaced: true},
	{Group: "networking.istio.io", Kind: "Gateway", Resource: "gateways", Namespaced: true},
}

func TestParseName(t *testing.T) {
	for _, c := range []struct {
		text, namespace string
		want            who.Name // zero: none
	}{
		{"demo/tomcat", "", who.Name{Namespace: "demo", Name: "tomcat"}},
		{"demo/tomcat", "demo", who.Name{Namespace: "demo", Name: "tomcat"}},
		{"demo/tomcat", "other", who.Name{}},
		{"svc/tomcat", "demo", who.Name{Kind: "service", Namespace: "demo", Name: "tomcat"}},
		{"Services/tomcat", "", who.Name{Kind: "service", Name: "tomcat"}},
		{"svc/demo/tomcat", "", who.Name{Kind: "service", Namespace: "demo", Name: "tomcat"}},
		{"svc/demo/tomcat", "other", who.Name{}},
		{"no/cdev01", "", who.Name{Kind: "node", Name: "cdev01"}},
		{"gateway.networking.istio.io/web", "", who.Name{Kind: "gateway", Group: "networking.istio.io", Name: "web"}},
		{"gateway.example.org/web", "", who.Name{Namespace: "gateway.example.org", Name: "web"}},
		{"widget/demo/a", "", who.Name{}},
		{"deploy/tomcat", "", who.Name{}},
		{"tomcat", "", who.Name{}},
		{"/tomcat", "", who.Name{}},
		{"demo/", "", who.Name{}},
		{"a/b/c/d", "", who.Name{}},
	} {
		got, err := who.ParseName(c.text, c.namespace, kinds)
		if got != c.want || (err != nil) != (c.want == who.Name{}) {
			t.Errorf("%s -n %q: %+v, %v", c.text, c.namespace, got, err)
		}
	}
}

func TestNamed(t *testing.T) {
	tomcat := snapshot.Ref{Kind: "Service", Namespace: "demo", Name: "tomcat"}
	istio := snapshot.Ref{Group: "networking.istio.io", Kind: "Gateway", Namespace: "demo", Name: "tomcat"}
	a := ref("Node", "a")
	v := view(make1("10.0.0.9", claim.VIP, tomcat, ""), make1("10.0.0.7", claim.VIP, tomcat, ""), make1("10.0.0.7", claim.VIP, tomcat, ""),
		make1("10.0.0.1", claim.Host, a, ""), make1("10.244.0.0/24", claim.PodRange, a, ""), kernel("a", claim.Observed))
	s := &snapshot.Snapshot{Objects: []*snapshot.Object{{Ref: tomcat}, {Ref: istio}, {Ref: a}}}
	for _, c := range []struct {
		name who.Name
		want []string // objects, each with what is asked of it
	}{
		{who.Name{Namespace: "demo", Name: "tomcat"}, []string{"Gateway demo/tomcat", "Service demo/tomcat 10.0.0.7 10.0.0.9"}},
		{who.Name{Kind: "service", Name: "tomcat"}, []string{"Service demo/tomcat 10.0.0.7 10.0.0.9"}},
		{who.Name{Kind: "gateway", Group: "gateway.networking.k8s.io", Name: "tomcat"}, nil},
		{who.Name{Kind: "node", Namespace: "demo", Name: "a"}, []string{"Node a 10.0.0.1"}},
		{who.Name{Namespace: "other", Name: "tomcat"}, nil},
	} {
		var got []string
		for _, o := range who.Named(c.name, v, s) {
			text := o.Ref.String()
			for _, r := range o.Asked() {
				text += " " + r.String()
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.name, diff)
		}
	}
}
