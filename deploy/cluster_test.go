// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"whohas/source/live"
	"whohas/testkit/apiserver"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	admission "k8s.io/api/admissionregistration/v1"
	apps "k8s.io/api/apps/v1"
	authorization "k8s.io/api/authorization/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// kinds are those of others that the manifests have, or the webhook is asked about: as
// little of them as an apiserver wants.
var kinds = []apiserver.Kind{
	{Group: "cert-manager.io", Version: "v1", Kind: "Issuer", Plural: "issuers"},
	{Group: "cert-manager.io", Version: "v1", Kind: "Certificate", Plural: "certificates"},
	{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor", Plural: "servicemonitors"},
	{Group: "monitoring.coreos.com", Version: "v1", Kind: "PrometheusRule", Plural: "prometheusrules"},
	apiserver.ClusterReportKind, apiserver.IPAddressPool, apiserver.CiliumPool, apiserver.CalicoPool, apiserver.GatewayKind,
}

// start is a cluster with those kinds, in which the guard's namespace stands.
func start(t *testing.T) *apiserver.Server {
	s := apiserver.Start(t)
	s.Serve(kinds...)
	s.Kubectl("apply", "-f", "base/namespace.yaml")
	apiserver.Eventually(t, func() error { // made by the apiserver itself, a little after it is ready
		for _, x := range []string{"priorityclass/system-cluster-critical", "namespace/kube-system", "namespace/kube-public"} {
			if _, err := s.KubectlAs(apiserver.Admin, "", "get", x); err != nil {
				return err
			}
		}
		return nil
	})
	return s
}

func config(t *testing.T, s *apiserver.Server) *rest.Config {
	t.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig(apiserver.Admin))
	if err != nil {
		t.Fatal(err)
	}
	c.QPS, c.WarningHandler = -1, rest.NoWarnings{}
	return c
}

// TestManifestsInACluster: a real apiserver takes every form, with strict validation.
func TestManifestsInACluster(t *testing.T) {
	s := start(t)
	for ns := range beside {
		s.Kubectl("create", "namespace", ns)
	}
	for _, form := range forms {
		t.Run(form.dir, func(t *testing.T) {
			s := s.With(t)
			s.Kubectl("apply", "--dry-run=server", "--validate=strict", "-k", form.dir)
			s.Kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", form.dir)
		})
		t.Run("pod of "+form.dir, func(t *testing.T) {
			s := s.With(t)
			pod := podOf(t, form.dir)
			s.KubectlInput(text(t, pod), "create", "--dry-run=server", "-f", "-")
			// The namespace does refuse what is not restricted.
			pod.Spec.SecurityContext.RunAsNonRoot = nil
			pod.Spec.Containers[0].SecurityContext.RunAsNonRoot = nil
			if _, err := s.KubectlAs(apiserver.Admin, text(t, pod), "create", "--dry-run=server", "-f", "-"); err == nil || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
				t.Errorf("a Pod that may be root: %v", err)
			}
		})
	}
	t.Run("chart", func(t *testing.T) {
		helm := tool(t, "helm")
		for _, values := range [][]string{nil, {"failurePolicy=Fail", "certManager.enabled=true", "monitoring.enabled=true", "networkPolicy.enabled=true", "proxyMode=ipvs", "config.proxyMode=ipvs", "monitoring.labels.release=x"}} {
			s.With(t).KubectlInput(render(t, helm, values...), "apply", "--dry-run=server", "--validate=strict", "-f", "-")
		}
	})
	t.Run("rights", func(t *testing.T) { rights(t, s.With(t)) })
	t.Run("upgrade", func(t *testing.T) { upgrade(t, s.With(t)) })
}

func podOf(t *testing.T, dir string) *core.Pod {
	t.Helper()
	d := as[apps.Deployment](t, find(t, build(t, dir), "Deployment", name))
	p := &core.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: d.Spec.Template.ObjectMeta, Spec: d.Spec.Template.Spec}
	p.Name, p.Namespace = "guard", namespace
	return p
}

func text(t *testing.T, o any) string {
	t.Helper()
	b, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rights asks the real authorizer what the guard's account may do.
func rights(t *testing.T, s *apiserver.Server) {
	s.Kubectl("apply", "-k", "base")
	clients, err := kubernetes.NewForConfig(config(t, s))
	if err != nil {
		t.Fatal(err)
	}
	may := func(a authorization.ResourceAttributes) error {
		r, err := clients.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorization.SubjectAccessReview{Spec: authorization.SubjectAccessReviewSpec{
			User: account, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}, ResourceAttributes: &a,
		}}, metav1.CreateOptions{})
		if err == nil && !r.Status.Allowed {
			err = fmt.Errorf("may not %+v", a)
		}
		return err
	}
	apiserver.Eventually(t, func() error { return may(authorization.ResourceAttributes{Verb: "list", Resource: "nodes"}) })
	for _, p := range live.Parts(reads(t)) {
		ns, only, named := strings.Cut(p.Name, "/")
		if !named {
			ns, only = "", p.Name
		}
		if beside[ns] != "" { // a component's
			continue
		}
		for _, verb := range []string{"list", "watch"} {
			if err := may(authorization.ResourceAttributes{Verb: verb, Group: p.Kind.Group, Resource: p.Kind.Resource, Namespace: ns, Name: only}); err != nil {
				t.Error(err)
			}
		}
	}
	for _, a := range []authorization.ResourceAttributes{
		{Verb: "get", Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations", Name: name},
		{Verb: "list", Group: "policy", Resource: "poddisruptionbudgets", Namespace: namespace},
		{Verb: "get", Group: "openreports.io", Resource: "clusterreports", Name: "whohas"},
		{Verb: "patch", Group: "openreports.io", Resource: "clusterreports", Name: "whohas"},
	} {
		if err := may(a); err != nil {
			t.Error(err)
		}
	}
	for _, a := range []authorization.ResourceAttributes{
		{Verb: "list", Group: "policy", Resource: "poddisruptionbudgets"},
		{Verb: "list", Resource: "secrets"},
		{Verb: "get", Resource: "secrets", Namespace: "kube-system", Name: "x"},
		{Verb: "list", Resource: "configmaps", Namespace: "kube-system"},
		{Verb: "get", Resource: "configmaps", Namespace: "kube-system", Name: "extension-apiserver-authentication"},
		{Verb: "get", Resource: "configmaps", Namespace: "demo", Name: "kube-proxy"},
		{Verb: "update", Resource: "services", Namespace: "demo", Name: "x"},
		{Verb: "patch", Resource: "nodes", Name: "x"},
		{Verb: "create", Resource: "pods", Namespace: namespace},
		{Verb: "create", Resource: "secrets", Namespace: namespace},
		{Verb: "update", Resource: "secrets", Namespace: namespace, Name: "x"},
		{Verb: "update", Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations", Name: "another"},
		{Verb: "delete", Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations", Name: name},
		{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: namespace, Name: "another"},
		{Verb: "override", Group: "whohas.io", Resource: "claims"},
	} {
		if err := may(a); err == nil {
			t.Errorf("may %+v", a)
		}
	}
}

// upgrade: applying again leaves the certificate, and its authority in the webhook, as
// the guard has written them.
func upgrade(t *testing.T, s *apiserver.Server) {
	s.Kubectl("apply", "-k", "base")
	s.Kubectl("-n", namespace, "patch", "secret", "whohas-guard-cert", "--type=merge", "-p", `{"data":{"tls.crt":"eA=="}}`)
	var injected []string
	for i := range webhooks(t, "base").Webhooks {
		injected = append(injected, fmt.Sprintf(`{"op":"add","path":"/webhooks/%d/clientConfig/caBundle","value":"eA=="}`, i))
	}
	// What the bundle holds is looked at.
	ca := httptest.NewTLSServer(http.NotFoundHandler())
	defer ca.Close()
	bundle, err := json.Marshal(authority(ca))
	if err != nil {
		t.Fatal(err)
	}
	s.Kubectl("patch", "validatingwebhookconfiguration", name, "--type=json", "-p", strings.ReplaceAll("["+strings.Join(injected, ",")+"]", `"eA=="`, string(bundle)))
	for _, args := range [][]string{{"apply", "-k", "base"}, {"apply", "--server-side", "--force-conflicts", "-k", "base"}, {"apply", "--server-side", "--force-conflicts", "-k", "overlays/fail-closed"}} {
		s.Kubectl(args...)
		if got := s.Kubectl("-n", namespace, "get", "secret", "whohas-guard-cert", "-o", `jsonpath={.data.tls\.crt}`); got != "eA==" {
			t.Errorf("kubectl %s: the certificate is %q", strings.Join(args, " "), got)
		}
		if got := strings.Fields(s.Kubectl("get", "validatingwebhookconfiguration", name, "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}")); len(got) != len(injected) {
			t.Errorf("kubectl %s: %d of %d entries have their authority", strings.Join(args, " "), len(got), len(injected))
		}
	}
	if got := s.Kubectl("get", "validatingwebhookconfiguration", name, "-o", "jsonpath={.webhooks[*].failurePolicy}"); got != "Fail Fail Fail Fail Fail Fail" {
		t.Errorf("failure policies: %s", got)
	}
	s.Kubectl("delete", "validatingwebhookconfiguration", name)
}

func authority(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// recorder is a webhook that admits everything and remembers what it was asked.
type recorder struct {
	mu    sync.Mutex
	asked []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(q.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a := review.Request
	r.mu.Lock()
	r.asked = append(r.asked, strings.Join([]string{string(a.Operation), a.Resource.Resource, a.SubResource, a.Namespace + "/" + a.Name}, " "))
	r.mu.Unlock()
	review.Response = &admissionv1.AdmissionResponse{UID: a.UID, Allowed: true}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

func (r *recorder) drain() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.asked
	r.asked = nil
	return out
}

// at is a form's webhook, asked at a URL.
func at(t *testing.T, dir, url string, bundle []byte) *admission.ValidatingWebhookConfiguration {
	t.Helper()
	c := webhooks(t, dir)
	c.TypeMeta = metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration"}
	for i := range c.Webhooks {
		c.Webhooks[i].ClientConfig = admission.WebhookClientConfig{URL: &url, CABundle: bundle}
	}
	return c
}

// object is one whose changes are looked at.
type object struct {
	gvr  schema.GroupVersionResource
	text string
}

var (
	services  = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	pods      = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodes     = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	maps      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	leases    = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	slicesOf  = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
	endpoints = schema.GroupVersionResource{Version: "v1", Resource: "endpoints"}
	cidrs     = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "servicecidrs"}
	metallb   = schema.GroupVersionResource{Group: "metallb.io", Version: "v1beta1", Resource: "ipaddresspools"}
	ciliums   = schema.GroupVersionResource{Group: "cilium.io", Version: "v2", Resource: "ciliumloadbalancerippools"}
	calicos   = schema.GroupVersionResource{Group: "crd.projectcalico.org", Version: "v1", Resource: "ippools"}
	gateways  = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
	web       = object{services, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: demo}, spec: {selector: {a: b}, ports: [{port: 80, targetPort: 80}]}}`}
	claiming  = object{services, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: demo}, spec: {selector: {a: b}, externalIPs: [192.0.2.1], ports: [{port: 80, targetPort: 80}]}}`}
	balancing = object{services, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: demo}, spec: {type: LoadBalancer, loadBalancerIP: 192.0.2.1, ports: [{port: 80}]}}`}
)

// write is one write to an object that is there before it.
type write struct {
	name  string
	first object // made before, unseen
	steps []string
	patch string // a merge patch; empty: first is created; "delete": it is deleted
	sub   string
	sent  bool
}

var writes = []write{
	{name: "a Service with an externalIP", first: claiming, sent: true},
	{name: "a headless Service", first: object{services, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: demo}, spec: {clusterIP: None, ports: [{port: 80}]}}`}},
	// An apiserver gives the ClusterIP before it asks.
	{name: "a Service with a ClusterIP", first: web, sent: true},
	{name: "a Service with a ClusterIP that is asked for", first: object{services, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: demo}, spec: {clusterIP: 10.96.3.3, ports: [{port: 80}]}}`}, sent: true},
	{name: "its own Service", first: object{services, `{apiVersion: v1, kind: Service, metadata: {name: whohas-guard, namespace: whohas-system}, spec: {clusterIP: 10.96.3.4, ports: [{port: 443}]}}`}},
	// The ways around a guard that looks at addresses alone.
	{name: "externalIPs added", first: web, patch: `{"spec":{"externalIPs":["192.0.2.1"]}}`, sent: true},
	{name: "another externalIP", first: claiming, patch: `{"spec":{"externalIPs":["192.0.2.1","192.0.2.2"]}}`, sent: true},
	{name: "ClusterIP to LoadBalancer", first: claiming, patch: `{"spec":{"type":"LoadBalancer"}}`, sent: true},
	{name: "headless no longer", first: object{services, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: demo}, spec: {clusterIP: None, externalIPs: [192.0.2.1], ports: [{port: 80}]}}`},
		steps: []string{`{"spec":{"type":"ExternalName","externalName":"a.example","clusterIP":null,"clusterIPs":null}}`}, patch: `{"spec":{"type":"ClusterIP","externalName":null}}`, sent: true},
	{name: "another port", first: claiming, patch: `{"spec":{"ports":[{"port":22,"targetPort":80}]}}`, sent: true},
	{name: "one more port", first: claiming, patch: `{"spec":{"ports":[{"name":"a","port":80},{"name":"b","port":22}]}}`, sent: true},
	{name: "another protocol", first: claiming, patch: `{"spec":{"ports":[{"port":80,"protocol":"UDP"}]}}`, sent: true},
	{name: "another class", first: object{services, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: demo}, spec: {type: LoadBalancer, loadBalancerClass: a/a, loadBalancerIP: 192.0.2.1, ports: [{port: 80}]}}`},
		steps: []string{`{"spec":{"type":"ClusterIP","loadBalancerClass":null}}`}, patch: `{"spec":{"type":"LoadBalancer","loadBalancerClass":"b/b"}}`, sent: true},
	{name: "loadBalancerIP", first: balancing, patch: `{"spec":{"loadBalancerIP":"192.0.2.2"}}`, sent: true},
	{name: "an address asked for by annotation", first: balancing, patch: `{"metadata":{"annotations":{"metallb.io/loadBalancerIPs":"192.0.2.2"}}}`, sent: true},
	{name: "a sharing key", first: claiming, patch: `{"metadata":{"annotations":{"metallb.io/allow-shared-ip":"k"}}}`, sent: true},
	{name: "the permission", first: claiming, patch: `{"metadata":{"annotations":{"whohas.io/allow":"WH101 reason=x"}}}`, sent: true},
	{name: "status", first: balancing, patch: `{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}`, sub: "status", sent: true},
	{name: "another ipMode", first: balancing, steps: []string{`status {"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1","ipMode":"Proxy"}]}}}`},
		patch: `{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1","ipMode":"VIP"}]}}}`, sub: "status", sent: true},
	{name: "an owner", first: claiming, patch: `{"metadata":{"ownerReferences":[{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","name":"a","uid":"u","controller":true}]}}`, sent: true},
	{name: "another proxy's no longer", first: object{services, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: demo, labels: {service.kubernetes.io/service-proxy-name: x}}, spec: {externalIPs: [192.0.2.1], ports: [{port: 80}]}}`},
		patch: `{"metadata":{"labels":{"service.kubernetes.io/service-proxy-name":null}}}`, sent: true},
	// What changes no claim, or takes it away.
	{name: "a label", first: claiming, patch: `{"metadata":{"labels":{"tier":"front"}}}`},
	{name: "another annotation", first: claiming, patch: `{"metadata":{"annotations":{"a":"b"}}}`},
	{name: "a selector", first: claiming, patch: `{"spec":{"selector":{"a":"c"}}}`},
	{name: "a target port", first: claiming, patch: `{"spec":{"ports":[{"port":80,"targetPort":8080}]}}`},
	{name: "a condition in the status", first: claiming, patch: `{"status":{"conditions":[{"type":"A","status":"True","reason":"B","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`, sub: "status"},
	{name: "externalIPs taken away", first: claiming, patch: `{"spec":{"externalIPs":null}}`},
	{name: "LoadBalancer to ClusterIP", first: balancing, patch: `{"spec":{"type":"ClusterIP","loadBalancerIP":null}}`},
	{name: "deleted", first: claiming, patch: "delete"},
	{name: "a Node", first: object{nodes, `{apiVersion: v1, kind: Node, metadata: {name: n1}}`}},
	{name: "a Node's heartbeat", first: object{nodes, `{apiVersion: v1, kind: Node, metadata: {name: n1}}`}, patch: `{"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"}]}}`, sub: "status"},
	{name: "a Lease", first: object{leases, `{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: x, namespace: demo}}`}, patch: `{"spec":{"holderIdentity":"a"}}`},
	{name: "a Pod", first: object{pods, `{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: demo}, spec: {containers: [{name: a, image: a}]}}`}},
	// Pools.
	{name: "MetalLB's pool", first: object{metallb, `{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: p, namespace: demo}, spec: {addresses: [192.0.2.0/28]}}`}, sent: true},
	{name: "MetalLB's pool, larger", first: object{metallb, `{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: p, namespace: demo}, spec: {addresses: [192.0.2.0/28]}}`}, patch: `{"spec":{"addresses":["192.0.2.0/24"]}}`, sent: true},
	{name: "MetalLB's pool, smaller", first: object{metallb, `{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: p, namespace: demo}, spec: {addresses: [192.0.2.0/28, 192.0.2.32/28]}}`}, patch: `{"spec":{"addresses":["192.0.2.0/28"]}}`},
	{name: "MetalLB's pool, its status", first: object{metallb, `{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: p, namespace: demo}, spec: {addresses: [192.0.2.0/28]}}`}, patch: `{"status":{"availableIPv4":3}}`},
	{name: "Cilium's pool, enabled", first: object{ciliums, `{apiVersion: cilium.io/v2, kind: CiliumLoadBalancerIPPool, metadata: {name: p}, spec: {disabled: true, blocks: [{cidr: 192.0.2.0/28}]}}`}, patch: `{"spec":{"disabled":false}}`, sent: true},
	{name: "Cilium's pool, disabled", first: object{ciliums, `{apiVersion: cilium.io/v2, kind: CiliumLoadBalancerIPPool, metadata: {name: p}, spec: {blocks: [{cidr: 192.0.2.0/28}]}}`}, patch: `{"spec":{"disabled":true}}`},
	{name: "Calico's pool, for load balancers", first: object{calicos, `{apiVersion: crd.projectcalico.org/v1, kind: IPPool, metadata: {name: p}, spec: {cidr: 192.0.2.0/28}}`}, patch: `{"spec":{"allowedUses":["LoadBalancer"]}}`, sent: true},
	{name: "a Gateway's address", first: object{gateways, `{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g, namespace: demo}, spec: {gatewayClassName: a, listeners: [{name: a, port: 80, protocol: HTTP}]}}`}, patch: `{"spec":{"addresses":[{"value":"192.0.2.1"}]}}`, sent: true},
	{name: "a ServiceCIDR", first: object{cidrs, `{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: more}, spec: {cidrs: [10.200.0.0/16]}}`}, sent: true},
	{name: "kube-vip's pool", first: object{maps, `{apiVersion: v1, kind: ConfigMap, metadata: {name: kubevip, namespace: kube-system}, data: {cidr-global: 192.0.2.0/28}}`}, patch: `{"data":{"range-demo":"192.0.2.40-192.0.2.50"}}`, sent: true},
	{name: "MetalLB's old pool", first: object{maps, `{apiVersion: v1, kind: ConfigMap, metadata: {name: config, namespace: metallb-system}, data: {config: "a"}}`}, sent: true},
	{name: "another ConfigMap", first: object{maps, `{apiVersion: v1, kind: ConfigMap, metadata: {name: config, namespace: demo}, data: {config: "a"}}`}},
	{name: "a slice by hand", first: object{slicesOf, `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, namespace: demo, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, endpoints: [{addresses: [192.0.2.1]}]}`}, sent: true},
	{name: "Endpoints by hand", first: object{endpoints, `{apiVersion: v1, kind: Endpoints, metadata: {name: web, namespace: demo}, subsets: [{addresses: [{ip: 192.0.2.1}], ports: [{port: 80}]}]}`}, sent: true},
	{name: "a slice with a controller's name", first: object{slicesOf, `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, namespace: demo, labels: {endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io}}, addressType: IPv4, endpoints: [{addresses: [192.0.2.1]}]}`}, patch: `{"endpoints":[{"addresses":["192.0.2.2"]}]}`, sent: true},
}

// TestWebhookInACluster: a real apiserver asks about exactly these writes.
func TestWebhookInACluster(t *testing.T) {
	s := start(t)
	for _, ns := range []string{"demo", "metallb-system"} {
		s.Kubectl("create", "namespace", ns)
	}
	r := &recorder{}
	hook := httptest.NewTLSServer(r)
	defer hook.Close()
	d, err := dynamic.NewForConfig(config(t, s))
	if err != nil {
		t.Fatal(err)
	}
	apply := func(t *testing.T, c *admission.ValidatingWebhookConfiguration) {
		t.Helper()
		s.With(t).KubectlInput(text(t, c), "apply", "--server-side", "--force-conflicts", "-f", "-")
	}
	apply(t, at(t, "base", hook.URL, authority(hook)))
	heard := func() error { // of the configuration
		o := parse(t, claiming.text)
		_, err := d.Resource(services).Namespace("demo").Create(t.Context(), o, metav1.CreateOptions{DryRun: []string{"All"}})
		if len(r.drain()) == 0 {
			return fmt.Errorf("nothing was asked: %w", err)
		}
		return nil
	}
	apiserver.Eventually(t, heard)
	for _, w := range writes {
		t.Run(strings.ReplaceAll(w.name, " ", "-"), func(t *testing.T) {
			asked, err := w.do(t.Context(), d, r)
			if err != nil {
				t.Fatal(err)
			}
			o := parse(t, w.first.text)
			var want []string
			if w.sent {
				operation := "UPDATE"
				if w.patch == "" {
					operation = "CREATE"
				}
				want = []string{strings.Join([]string{operation, w.first.gvr.Resource, w.sub, o.GetNamespace() + "/" + o.GetName()}, " ")}
			}
			// Compact: where an apiserver's own copy was old, it makes the write and asks once
			// more (apiserver storage/etcd3/store.go GuaranteedUpdate, v1.36: origStateIsCurrent).
			if diff := cmp.Diff(want, slices.Compact(asked)); diff != "" {
				t.Errorf("-want +asked:\n%s", diff)
			}
		})
	}

	// With nobody who answers, and failurePolicy Fail: what would be asked is refused, and
	// all the rest passes, the fix first.
	hook.Close()
	for _, w := range writes {
		if err := w.prepare(t.Context(), d, r); err != nil {
			t.Fatal(err)
		}
		_ = w.clean(t.Context(), d)
	}
	closed := at(t, "overlays/fail-closed", hook.URL, authority(hook))
	off := func() { s.Kubectl("delete", "--ignore-not-found", "validatingwebhookconfiguration", name) }
	for _, w := range writes {
		t.Run("dead/"+strings.ReplaceAll(w.name, " ", "-"), func(t *testing.T) {
			off()
			apiserver.Eventually(t, func() error { return w.prepare(t.Context(), d, r) })
			defer func() { _ = w.clean(context.Background(), d) }()
			apply(t, closed)
			apiserver.Eventually(t, func() error {
				_, err := d.Resource(services).Namespace("demo").Create(t.Context(), parse(t, strings.Replace(claiming.text, "name: web", "name: probe", 1)), metav1.CreateOptions{DryRun: []string{"All"}})
				if err == nil {
					return fmt.Errorf("it passes still")
				}
				return nil
			})
			err := w.write(t.Context(), d)
			if refused := err != nil; refused != w.sent {
				t.Errorf("refused: %v, want %v: %v", refused, w.sent, err)
			}
			if err != nil && !strings.Contains(err.Error(), "failed calling webhook") {
				t.Error(err)
			}
		})
	}
	off()
}

func (w *write) client(d dynamic.Interface) (dynamic.ResourceInterface, *unstructured.Unstructured) {
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(w.first.text), &o.Object); err != nil {
		panic(err) // the table is wrong
	}
	if o.GetNamespace() == "" {
		return d.Resource(w.first.gvr), o
	}
	return d.Resource(w.first.gvr).Namespace(o.GetNamespace()), o
}

// prepare makes what the write begins with.
func (w *write) prepare(ctx context.Context, d dynamic.Interface, r *recorder) error {
	c, o := w.client(d)
	if w.patch == "" {
		return nil
	}
	if _, err := c.Create(ctx, o, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	for _, step := range w.steps {
		var sub []string
		if rest, ok := strings.CutPrefix(step, "status "); ok {
			step, sub = rest, []string{"status"}
		}
		if _, err := c.Patch(ctx, o.GetName(), types.MergePatchType, []byte(step), metav1.PatchOptions{}, sub...); err != nil {
			return fmt.Errorf("before: %s: %w", step, err)
		}
	}
	r.drain()
	return nil
}

func (w *write) write(ctx context.Context, d dynamic.Interface) error {
	c, o := w.client(d)
	switch w.patch {
	case "":
		_, err := c.Create(ctx, o, metav1.CreateOptions{})
		return err
	case "delete":
		return c.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
	}
	var sub []string
	if w.sub != "" {
		sub = []string{w.sub}
	}
	_, err := c.Patch(ctx, o.GetName(), types.MergePatchType, []byte(w.patch), metav1.PatchOptions{}, sub...)
	return err
}

func (w *write) clean(ctx context.Context, d dynamic.Interface) error {
	c, o := w.client(d)
	now := int64(0)
	err := c.Delete(ctx, o.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now})
	if w.first.gvr == cidrs { // no controller is here that takes its finalizer away
		_, _ = c.Patch(ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	}
	return err
}

// do makes the write and tells what was asked because of it, deletion included.
func (w *write) do(ctx context.Context, d dynamic.Interface, r *recorder) ([]string, error) {
	if err := w.prepare(ctx, d, r); err != nil {
		return nil, err
	}
	r.drain()
	err := w.write(ctx, d)
	if w.patch != "delete" {
		_ = w.clean(ctx, d)
	}
	return r.drain(), err
}
