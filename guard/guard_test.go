// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whohas/check"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/guard"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/testkit/scenario"
)

var today = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// state reads objects as JSON, one a line, as the state of a cluster.
func state(tb testing.TB, mode dataplane.ProxyMode, objects ...string) guard.State {
	tb.Helper()
	var b strings.Builder
	b.WriteString("-- scenario --\ncomplete: true\n-- all.yaml --\n")
	for _, o := range objects {
		b.WriteString("---\n" + o + "\n")
	}
	s, err := scenario.Parse("state", []byte(b.String()))
	if err != nil {
		tb.Fatal(err)
	}
	return stateOf(s.Snapshot, mode)
}

func stateOf(s *snapshot.Snapshot, mode dataplane.ProxyMode) guard.State {
	return guard.State{Input: check.Input{View: claimants.View(s), Facts: cluster.Infer(s, mode, "test"), Objects: s, Coverage: s.Coverage, Rules: rules.All()}}
}

// object reads one object from JSON; "" is none.
func object(tb testing.TB, text string) *snapshot.Object {
	tb.Helper()
	if text == "" {
		return nil
	}
	o, err := decoded([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// decoded keeps every field of an object: no more than a source keeps may matter.
func decoded(text []byte) (*snapshot.Object, error) {
	var any any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&any); err != nil {
		return nil, err
	}
	o := &snapshot.Object{Root: valueOf(any)}
	o.Ref.Group, o.Version = snapshot.SplitAPIVersion(o.Field("apiVersion").Text())
	o.Ref.Kind = o.Field("kind").Text()
	o.Ref.Namespace, o.Ref.Name = o.Field("metadata", "namespace").Text(), o.Field("metadata", "name").Text()
	return o, nil
}

func valueOf(x any) snapshot.Value {
	switch x := x.(type) {
	case map[string]any:
		v := snapshot.Value{Kind: snapshot.Map}
		for k := range x {
			v.Keyset = snapshot.KeysetOf(append(v.Keys(), k)...)
		}
		slices.Sort(v.Keys())
		for _, k := range v.Keys() {
			v.Items = append(v.Items, valueOf(x[k]))
		}
		return v
	case []any:
		v := snapshot.Value{Kind: snapshot.List}
		for _, item := range x {
			v.Items = append(v.Items, valueOf(item))
		}
		return v
	case string:
		return snapshot.Value{Kind: snapshot.String, Text: x}
	case json.Number:
		return snapshot.Value{Kind: snapshot.Number, Text: x.String()}
	case bool:
		return snapshot.Value{Kind: snapshot.Bool, Text: map[bool]string{true: "true", false: "false"}[x]}
	}
	return snapshot.Value{Kind: snapshot.Null}
}

const (
	cdev01 = `{"apiVersion":"v1","kind":"Node","metadata":{"name":"cdev01","labels":{"node-role.kubernetes.io/control-plane":""}},"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.114"}]}}`
	cdev02 = `{"apiVersion":"v1","kind":"Node","metadata":{"name":"cdev02"},"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.115"}]}}`
	pool   = `{"apiVersion":"metallb.io/v1beta1","kind":"IPAddressPool","metadata":{"name":"pool","namespace":"metallb-system"},"spec":{"addresses":["192.168.10.200-192.168.10.220"]}}`
	dns    = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"kube-dns","namespace":"kube-system"},"spec":{"type":"ClusterIP","clusterIP":"10.96.0.10","ports":[{"port":53,"protocol":"UDP"}]}}`
	cidr   = `{"apiVersion":"networking.k8s.io/v1","kind":"ServiceCIDR","metadata":{"name":"kubernetes"},"spec":{"cidrs":["10.96.0.0/12"]}}`
	plane  = `{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"kubernetes","namespace":"default","labels":{"kubernetes.io/service-name":"kubernetes"}},"endpoints":[{"addresses":["192.168.10.60"]}],"ports":[{"port":6443,"protocol":"TCP"}]}`
	other  = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"other","namespace":"demo"},"spec":{"type":"ClusterIP","clusterIP":"10.96.7.7","externalIPs":["192.168.10.50"],"ports":[{"port":80,"protocol":"TCP"}]}}`
)

// service is the tomcat of the incident with a spec and a status.
func service(annotations, spec, status string) string {
	if status == "" {
		status = "{}"
	}
	return `{"apiVersion":"v1","kind":"Service","metadata":{"name":"tomcat","namespace":"demo","annotations":{` + annotations + `}},"spec":{` + spec + `},"status":` + status + `}`
}

const (
	ports   = `"ports":[{"port":8080,"protocol":"TCP"}]`
	stolen  = `"type":"ClusterIP","clusterIP":"10.96.1.1","externalIPs":["192.168.10.114"],` + ports
	clean   = `"type":"ClusterIP","clusterIP":"10.96.1.1",` + ports
	ingress = `{"loadBalancer":{"ingress":[{"ip":"192.168.10.114"}]}}`
)

// all lists what a decision says: ! for refusals, ? for warnings that rest on the
// mode, ~ for the others, + for what is excused, - for permissions that are ignored.
func all(d guard.Decision) []string {
	var out []string
	for i := range d.Refusals {
		out = append(out, "! "+short(&d.Refusals[i]))
	}
	for i := range d.Warnings {
		sign := "~ "
		if d.Warnings[i].OnMode {
			sign = "? "
		}
		out = append(out, sign+short(&d.Warnings[i].Finding))
	}
	for i := range d.Excused {
		out = append(out, "+ "+short(&d.Excused[i].Finding))
	}
	for _, i := range d.Ignored {
		out = append(out, "- "+i.Why)
	}
	return out
}

func short(f *rule.Finding) string { return f.Rule.ID + " " + f.Severity.String() + " " + f.Place() }

func TestDecide(t *testing.T) {
	world := []string{cdev01, cdev02, pool, dns, cidr, other, plane}
	request := func(op guard.Operation, before, after string) guard.Request {
		return guard.Request{Operation: op, Before: object(t, before), After: object(t, after), Now: today}
	}
	create := func(after string) guard.Request { return request(guard.Create, "", after) }
	update := func(before, after string) guard.Request { return request(guard.Update, before, after) }
	status := func(before, after string) guard.Request {
		r := update(before, after)
		r.Subresource = "status"
		return r
	}
	may := func(r guard.Request) guard.Request {
		r.MayOverride = true
		return r
	}
	const allow = `"whohas.io/allow":"WH101 until=2026-12-31 reason=a test"`
	for name, tt := range map[string]struct {
		mode    dataplane.ProxyMode
		request guard.Request
		want    []string
	}{
		"the incident":                  {dataplane.IPVS, create(service("", stolen, "")), []string{"! WH101 critical 192.168.10.114"}},
		"the incident by an edit":       {dataplane.IPVS, update(service("", clean, ""), service("", stolen, "")), []string{"! WH101 critical 192.168.10.114"}},
		"the incident in iptables mode": {dataplane.IPTables, create(service("", stolen, "")), []string{"~ WH101 warning 192.168.10.114"}},
		"the incident, mode unknown":    {"", create(service("", stolen, "")), []string{"? WH101 critical 192.168.10.114"}},
		"the status":                    {dataplane.IPVS, status(service("", clean, ""), service("", clean, ingress)), []string{"! WH102 critical 192.168.10.114"}},
		"the status, mode unknown":      {"", status(service("", clean, ""), service("", clean, ingress)), []string{"! WH102 error 192.168.10.114"}},
		"it was there before":           {dataplane.IPVS, update(service("", stolen, ""), service(`"a":"b"`, stolen, "")), nil},
		"another port beside it":        {dataplane.IPVS, update(service("", stolen, ""), service("", strings.Replace(stolen, "8080", "8081", 1), "")), nil},
		"the fix":                       {dataplane.IPVS, update(service("", stolen, ""), service("", clean, "")), nil},
		"a text that counted for nothing, made a list that does": {dataplane.IPVS, update(
			service(`"projectcalico.org/loadBalancerIPs":"192.168.10.114"`, `"type":"LoadBalancer","clusterIP":"10.96.1.1",`+ports, ""),
			service(`"projectcalico.org/loadBalancerIPs":"[\"192.168.10.114\"]"`, `"type":"LoadBalancer","clusterIP":"10.96.1.1",`+ports, "")), []string{"! WH103 critical 192.168.10.114"}},
		"the fix, one of two":             {dataplane.IPVS, update(service("", strings.Replace(stolen, `"192.168.10.114"`, `"192.168.10.114","192.168.10.115"`, 1), ""), service("", stolen, "")), nil},
		"from one node's to another's":    {dataplane.IPVS, update(service("", stolen, ""), service("", strings.Replace(stolen, "114", "115", 1), "")), []string{"! WH101 critical 192.168.10.115"}},
		"deletion":                        {dataplane.IPVS, request("DELETE", service("", stolen, ""), ""), nil},
		"connection":                      {dataplane.IPVS, request("CONNECT", "", service("", stolen, "")), nil},
		"another subresource":             {dataplane.IPVS, guard.Request{Operation: guard.Update, Subresource: "proxy", After: object(t, service("", stolen, "")), Now: today}, nil},
		"nothing":                         {dataplane.IPVS, guard.Request{Operation: guard.Update}, nil},
		"headless becomes effective":      {dataplane.IPVS, update(service("", strings.Replace(stolen, "10.96.1.1", "None", 1), ""), service("", stolen, "")), []string{"! WH101 critical 192.168.10.114"}},
		"ExternalName becomes effective":  {dataplane.IPVS, update(service("", strings.Replace(stolen, `"ClusterIP","clusterIP":"10.96.1.1"`, `"ExternalName"`, 1), ""), service("", stolen, "")), []string{"! WH101 critical 192.168.10.114"}},
		"another proxy's Service":         {dataplane.IPVS, create(strings.Replace(service("", stolen, ""), `"annotations"`, `"labels":{"service.kubernetes.io/service-proxy-name":"x"},"annotations"`, 1)), []string{"~ WH101 warning 192.168.10.114"}},
		"a label less":                    {dataplane.IPVS, update(strings.Replace(service("", stolen, ""), `"annotations"`, `"labels":{"service.kubernetes.io/service-proxy-name":"x"},"annotations"`, 1), service("", stolen, "")), []string{"! WH101 critical 192.168.10.114"}},
		"ipMode Proxy":                    {dataplane.IPVS, status(service("", clean, ""), service("", clean, strings.Replace(ingress, `4"`, `4","ipMode":"Proxy"`, 1))), nil},
		"ipMode Proxy no more":            {dataplane.IPVS, status(service("", clean, strings.Replace(ingress, `4"`, `4","ipMode":"Proxy"`, 1)), service("", clean, ingress)), []string{"! WH102 critical 192.168.10.114"}},
		"the apiserver's port, iptables":  {dataplane.IPTables, update(service("", stolen, ""), service("", strings.Replace(stolen, "8080", "6443", 1), "")), []string{"! WH101 critical 192.168.10.114"}},
		"a free address":                  {dataplane.IPVS, create(service("", strings.Replace(stolen, "10.114", "10.77", 1), "")), nil},
		"another's address and port":      {dataplane.IPVS, create(service("", strings.Replace(strings.Replace(stolen, "10.114", "10.50", 1), "8080", "80", 1), "")), []string{"! WH201 error 192.168.10.50"}},
		"the same, mode unknown":          {"", create(service("", strings.Replace(strings.Replace(stolen, "10.114", "10.50", 1), "8080", "80", 1), "")), []string{"! WH201 error 192.168.10.50"}},
		"another's address, another port": {dataplane.IPVS, create(service("", strings.Replace(stolen, "10.114", "10.50", 1), "")), []string{"~ WH202 warning 192.168.10.50"}},
		"the cluster's DNS":               {"", create(service("", strings.Replace(stolen, "192.168.10.114", "10.96.0.10", 1), "")), []string{"! WH203 critical 10.96.0.10"}},
		"another form of the address":     {dataplane.IPVS, create(service("", strings.Replace(stolen, "192.168.10.114", "::ffff:192.168.10.114", 1), "")), []string{"! WH101 critical 192.168.10.114", "! WH208 error 192.168.10.114"}},
		"a pool":                          {"", create(strings.Replace(pool, "200", "114", 1)), []string{"! WH104 error 192.168.10.114-192.168.10.220"}},
		"a pool grows":                    {dataplane.IPVS, update(pool, strings.Replace(pool, "200", "114", 1)), []string{"! WH104 critical 192.168.10.114-192.168.10.220"}},
		"a pool shrinks":                  {dataplane.IPVS, update(strings.Replace(pool, "200", "100", 1), strings.Replace(pool, "200", "115", 1)), nil},
		"a pool is handed out":            {dataplane.IPVS, update(strings.Replace(pool, `"spec":{`, `"spec":{"autoAssign":false,`, 1), pool), nil},
		"a bad pool is handed out": {dataplane.IPVS, update(strings.Replace(strings.Replace(pool, "200", "114", 1), `"spec":{`, `"spec":{"autoAssign":false,`, 1), strings.Replace(pool, "200", "114", 1)),
			[]string{"! WH104 critical 192.168.10.114-192.168.10.220"}},
		"a Gateway":                    {dataplane.IPVS, create(`{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"name":"g","namespace":"demo"},"spec":{"addresses":[{"value":"192.168.10.114"}],"listeners":[{"port":80,"protocol":"HTTP"}]}}`), []string{"! WH401 critical 192.168.10.114"}},
		"Calico's pool":                {"", create(`{"apiVersion":"crd.projectcalico.org/v1","kind":"IPPool","metadata":{"name":"p"},"spec":{"cidr":"192.168.10.192/26"}}`), []string{"! WH205 error 192.168.10.200-192.168.10.220"}},
		"MetalLB's ConfigMap":          {dataplane.IPTables, create(configMap("metallb-system", "config", "layer2", "192.168.10.114/31")), []string{"! WH104 critical 192.168.10.114/31"}},
		"it is announced":              {dataplane.IPTables, update(configMap("metallb-system", "config", "bgp", "192.168.10.114/31"), configMap("metallb-system", "config", "layer2", "192.168.10.114/31")), []string{"! WH104 critical 192.168.10.114/31"}},
		"another ConfigMap":            {dataplane.IPVS, create(configMap("demo", "config", "layer2", "192.168.10.114/31")), nil},
		"kube-vip's pool":              {dataplane.IPVS, create(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kubevip","namespace":"kube-system"},"data":{"range-global":"192.168.10.110-192.168.10.114"}}`), []string{"! WH104 critical 192.168.10.110-192.168.10.114"}},
		"Cilium's pool":                {dataplane.IPVS, create(`{"apiVersion":"cilium.io/v2","kind":"CiliumLoadBalancerIPPool","metadata":{"name":"c"},"spec":{"blocks":[{"cidr":"192.168.10.112/30"}]}}`), []string{"! WH104 critical 192.168.10.112/30"}},
		"a ServiceCIDR":                {dataplane.IPVS, create(strings.Replace(strings.Replace(cidr, "10.96.0.0/12", "192.168.10.192/26", 1), `"kubernetes"`, `"more"`, 1)), []string{"! WH204 error 192.168.10.200-192.168.10.220"}},
		"the endpoints":                {dataplane.IPVS, create(`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"e","namespace":"demo"},"endpoints":[{"addresses":["192.168.10.50"]}],"ports":[{"port":80}]}`), nil},
		"an endpoint at the apiserver": {dataplane.IPTables, create(`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"e","namespace":"demo"},"endpoints":[{"addresses":["192.168.10.60"]}],"ports":[{"port":6443,"protocol":"TCP"}]}`), []string{"! WH211 error 192.168.10.60"}},
		"of an invented owner":         {dataplane.IPTables, create(`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"e","namespace":"demo","ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"mine","uid":"u","controller":true}]},"endpoints":[{"addresses":["192.168.10.60"]}],"ports":[{"port":6443,"protocol":"TCP"}]}`), []string{"! WH211 error 192.168.10.60"}},
		"an endpoint at a ClusterIP":   {dataplane.IPTables, create(`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"e","namespace":"demo"},"endpoints":[{"addresses":["10.96.0.10"]}],"ports":[{"port":53,"protocol":"UDP"}]}`), []string{"~ WH211 warning 10.96.0.10"}},
		"the apiserver's own":          {dataplane.IPVS, create(`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"kubernetes","namespace":"default","labels":{"kubernetes.io/service-name":"kubernetes"}},"endpoints":[{"addresses":["192.168.10.50"]}],"ports":[{"port":6443}]}`), nil},
		"a Node":                       {dataplane.IPVS, create(strings.Replace(cdev02, "10.115", "10.50", 1)), nil},
		"a Pod":                        {dataplane.IPVS, create(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"demo"},"spec":{"nodeName":"cdev01"},"status":{"podIPs":[{"ip":"192.168.10.50"}]}}`), nil},
		"a lease":                      {dataplane.IPVS, create(`{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"p","namespace":"demo"}}`), nil},
		"excused":                      {dataplane.IPVS, may(create(service(allow, stolen, ""))), []string{"+ WH101 critical 192.168.10.114"}},
		"not permitted":                {dataplane.IPVS, create(service(allow, stolen, "")), []string{"! WH101 critical 192.168.10.114", "- counts only with the permission override on claims.whohas.io"}},
		"expired":                      {dataplane.IPVS, may(create(service(strings.Replace(allow, "-12-31", "-11-28", 1), stolen, ""))), []string{"! WH101 critical 192.168.10.114", "- expired on 2026-11-28"}},
		"the last day":                 {dataplane.IPVS, may(create(service(strings.Replace(allow, "-12-31", "-11-29", 1), stolen, ""))), []string{"+ WH101 critical 192.168.10.114"}},
		"without a reason":             {dataplane.IPVS, may(create(service(strings.Replace(allow, " reason=a test", "", 1), stolen, ""))), []string{"! WH101 critical 192.168.10.114", "- gives no reason"}},
		"another rule excused":         {dataplane.IPVS, may(create(service(strings.Replace(allow, "WH101", "WH102", 1), stolen, ""))), []string{"! WH101 critical 192.168.10.114"}},
		"no rule excused":              {dataplane.IPVS, may(create(service(`"whohas.io/allow":"reason=because"`, stolen, ""))), []string{"! WH101 critical 192.168.10.114", "- names no rule"}},
		"a rival is excused alone": {dataplane.IPVS, may(create(service(strings.Replace(allow, "WH101", "WH201", 1), strings.Replace(strings.Replace(stolen, "10.114", "10.50", 1), "8080", "80", 1), ""))),
			[]string{"~ WH202 warning 192.168.10.50", "+ WH201 error 192.168.10.50"}},
		"excused where the mode is unknown": {"", may(create(service(allow, stolen, ""))), []string{"+ WH101 critical 192.168.10.114"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := state(t, tt.mode, world...)
			d := guard.Decide(s, tt.request)
			if diff := cmp.Diff(tt.want, all(d)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			if d.Allowed != (len(d.Refusals) == 0) || d.Allowed != (d.Message() == "") {
				t.Errorf("allowed %v, %d refusals, message %q", d.Allowed, len(d.Refusals), d.Message())
			}
			if len(d.Notes()) != len(d.Warnings)+len(d.Excused) {
				t.Errorf("notes: %q", d.Notes())
			}
		})
	}
}

func configMap(namespace, name, protocol, addresses string) string {
	// A source parses the text that the key holds; here it is a map at once.
	return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + name + `","namespace":"` + namespace + `"},"data":{"config":{"address-pools":[{"name":"p","protocol":"` + protocol + `","addresses":["` + addresses + `"]}]}}}`
}

// TestSitesAllow: what the configuration allows passes in silence, whoever asks.
func TestSitesAllow(t *testing.T) {
	s := state(t, dataplane.IPVS, cdev01, cdev02)
	s.Suppressions = []rule.Suppression{{Rule: "WH101", Place: "192.168.10.0/24", Reason: "a lab", Until: "2026-11-29"}}
	r := guard.Request{Operation: guard.Create, After: object(t, service("", stolen, "")), Now: today}
	if d := guard.Decide(s, r); !d.Allowed || len(all(d)) > 0 {
		t.Errorf("allowed by the site: %v", all(d))
	}
	r.Now = today.AddDate(0, 0, 1)
	if d := guard.Decide(s, r); d.Allowed {
		t.Error("the permission has expired, and the request passes")
	}
}

// TestOwnPermissionInState: an object's own annotation counts only with the permission
// to override, also where the state holds it already.
func TestOwnPermissionInState(t *testing.T) {
	o := object(t, service(`"whohas.io/allow":"WH101 reason=mine"`, stolen, ""))
	s := state(t, dataplane.IPVS, cdev01, cdev02)
	s.Suppressions = check.SuppressionsOf(o)
	if d := guard.Decide(s, guard.Request{Operation: guard.Create, After: o, Now: today}); d.Allowed || !d.WantsOverride() {
		t.Errorf("allowed %v: %v", d.Allowed, all(d))
	}
}

// TestCovers names what a guard looks at, and what it must never look at.
func TestCovers(t *testing.T) {
	ref := func(group, kind, namespace, name string) snapshot.Ref {
		return snapshot.Ref{Group: group, Kind: kind, Namespace: namespace, Name: name}
	}
	for r, want := range map[snapshot.Ref]bool{
		ref("", "Service", "a", "b"):                                true,
		ref("metallb.io", "IPAddressPool", "a", "b"):                true,
		ref("", "ConfigMap", "metallb-system", "config"):            true,
		ref("", "ConfigMap", "kube-system", "kubevip"):              true,
		ref("cilium.io", "CiliumLoadBalancerIPPool", "", "b"):       true,
		ref("crd.projectcalico.org", "IPPool", "", "b"):             true,
		ref("projectcalico.org", "IPPool", "", "b"):                 true,
		ref("gateway.networking.k8s.io", "Gateway", "a", "b"):       true,
		ref("discovery.k8s.io", "EndpointSlice", "a", "b"):          true,
		ref("networking.k8s.io", "ServiceCIDR", "", "b"):            true,
		ref("", "Node", "", "b"):                                    false,
		ref("", "Pod", "a", "b"):                                    false,
		ref("coordination.k8s.io", "Lease", "kube-node-lease", "b"): false,
		ref("", "ConfigMap", "a", "b"):                              false,
		ref("", "ConfigMap", "kube-system", "kubeadm-config"):       false,
		ref("apps", "DaemonSet", "kube-system", "kube-vip"):         false,
		ref("cilium.io", "CiliumNode", "", "b"):                     false,
		ref("other.example", "Service", "a", "b"):                   false,
		{}: false,
	} {
		if got := guard.Covers(r); got != want {
			t.Errorf("Covers(%s %s) = %v", r.Group, r, got)
		}
	}
}

// TestMessage holds the text of the incident's refusal.
func TestMessage(t *testing.T) {
	s := state(t, dataplane.IPVS, cdev01, cdev02)
	d := guard.Decide(s, guard.Request{Operation: guard.Create, After: object(t, service(`"whohas.io/allow":"WH101 reason=try"`, stolen, "")), Now: today})
	for _, part := range []string{
		"WH101", "critical", "192.168.10.114 belongs to node cdev01, and Service demo/tomcat claims it as externalIP",
		"spec.externalIPs[0]: 192.168.10.114", "Node cdev01 status.addresses[0].address", "effect:", "cdev02",
		"instead:", "Remove the address from spec.externalIPs", "override on claims.whohas.io", "whohas.io/allow: \"WH101 until=YYYY-MM-DD reason=...\"",
		"The permission for WH101 in whohas.io/allow is ignored", "always passes",
	} {
		if !strings.Contains(d.Message(), part) {
			t.Errorf("the message lacks %q:\n%s", part, d.Message())
		}
	}
	if !d.WantsOverride() {
		t.Error("the annotation would count with the permission")
	}
	t.Log(d.Message())
}

// TestNotes: a warning is one line that fits, and an unknown mode is said.
func TestNotes(t *testing.T) {
	s := state(t, "", cdev01, cdev02)
	long := strings.Replace(service("", stolen, ""), "tomcat", strings.Repeat("ü", 200), 1)
	for _, text := range []string{service("", stolen, ""), long} {
		notes := (&guard.Decision{}).Notes()
		d := guard.Decide(s, guard.Request{Operation: guard.Create, After: object(t, text), Now: today})
		notes = append(notes, d.Notes()...)
		if !d.Allowed || len(notes) != 1 || len(notes[0]) > 256 || strings.Contains(notes[0], "\n") || !strings.Contains(notes[0], "--proxy-mode") {
			t.Errorf("allowed %v, notes %q", d.Allowed, notes)
		}
	}
}

// TestBeforeFromState: of an update that says nothing of what was, the state does.
func TestBeforeFromState(t *testing.T) {
	s := state(t, dataplane.IPVS, cdev01, cdev02, service("", stolen, ""))
	if d := guard.Decide(s, guard.Request{Operation: guard.Update, After: object(t, service(`"a":"b"`, stolen, "")), Now: today}); !d.Allowed {
		t.Errorf("an old conflict is refused: %s", d.Message())
	}
	// A creation after a deletion that the state has not learned of is a new claim.
	if d := guard.Decide(s, guard.Request{Operation: guard.Create, After: object(t, service("", stolen, "")), Now: today}); d.Allowed {
		t.Error("a creation passes because the state still holds the object")
	}
}
