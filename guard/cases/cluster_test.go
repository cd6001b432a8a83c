// SPDX-License-Identifier: Apache-2.0

// Package cases holds the guard against what is known to have happened, on a real
// kube-apiserver: each public report of the incident, each case that only looks like it,
// each near miss of the rules; the fixes, in whatever state the guard is; and the ways in
// which guards have locked out those who wanted to help. It is made of tests alone.
package cases

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"whohas/check"
	"whohas/claim"
	"whohas/dataplane"
	"whohas/guard/server"
	"whohas/guard/watch"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/testkit/apiserver"
	"whohas/testkit/port"

	"github.com/go-logr/logr"
	admissionreview "k8s.io/api/admission/v1"
	admission "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/yaml"
)

// kinds are those of others that the cases hold: as little of them as an apiserver wants.
var kinds = []apiserver.Kind{
	apiserver.IPAddressPool, apiserver.BGPPeer, apiserver.CiliumPool, apiserver.CalicoPool, apiserver.GatewayKind,
	{Group: "metallb.io", Version: "v1beta1", Kind: "L2Advertisement", Plural: "l2advertisements"},
	{Group: "crd.projectcalico.org", Version: "v1", Kind: "IPAMBlock", Plural: "ipamblocks", Cluster: true},
	{Group: "projectcalico.org", Version: "v3", Kind: "IPPool", Plural: "ippools", Cluster: true},
	{Group: "network.kubesphere.io", Version: "v1alpha2", Kind: "Eip", Plural: "eips", Cluster: true},
}

// apiCluster is a real apiserver, and the fixed place where it asks for a guard.
type apiCluster struct {
	*apiserver.Server
	config *rest.Config
	client dynamic.Interface
	mapper meta.RESTMapper
	front  *front
}

func start(t *testing.T, flags ...string) *apiCluster {
	t.Helper()
	c := &apiCluster{Server: apiserver.Start(t, flags...), front: newFront(t)}
	c.Serve(kinds...)
	var err error
	if c.config, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig(apiserver.Admin)); err != nil {
		t.Fatal(err)
	}
	c.config.QPS, c.config.WarningHandler = -1, rest.NoWarnings{}
	if c.client, err = dynamic.NewForConfig(c.config); err != nil {
		t.Fatal(err)
	}
	finder, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		t.Fatal(err)
	}
	served, err := restmapper.GetAPIGroupResources(finder)
	if err != nil {
		t.Fatal(err)
	}
	c.mapper = restmapper.NewDiscoveryRESTMapper(served)
	apiserver.Eventually(t, func() error { // made by the apiserver itself, a little after it is ready
		for _, x := range []string{"namespace/kube-system", "namespace/kube-public", "service/kubernetes", "servicecidr/kubernetes"} {
			if _, err := c.KubectlAs(apiserver.Admin, "", "get", x); err != nil {
				return err
			}
		}
		return nil
	})
	return c
}

// with is the same one, reporting its failures to a subtest.
func (c *apiCluster) with(t *testing.T) *apiCluster {
	d := *c
	d.Server = c.With(t)
	return &d
}

// resource is where objects of an object's kind are.
func (c *apiCluster) resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	m, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	if m.Scope.Name() == meta.RESTScopeNameRoot {
		return c.client.Resource(m.Resource), nil
	}
	if o.GetNamespace() == "" {
		o.SetNamespace("default")
	}
	return c.client.Resource(m.Resource).Namespace(o.GetNamespace()), nil
}

// decode reads manifests. Lists are taken apart; an error tells of documents that are
// none.
func decode(text string) (out []*unstructured.Unstructured, err error) {
	for r := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text))); ; {
		doc, end := r.Read()
		if errors.Is(end, io.EOF) {
			return out, err
		}
		o := &unstructured.Unstructured{}
		wrong := cmp.Or(end, yaml.Unmarshal(doc, &o.Object))
		switch {
		case wrong != nil:
			err = wrong
		case o.GetKind() == "": // a chart's values, a comment
		case o.IsList():
			list, _ := o.ToList()
			for i := range list.Items {
				out = append(out, &list.Items[i])
			}
		default:
			out = append(out, o)
		}
	}
}

// configuration is the webhook's of a folder of deploy/, asked at another place.
func (c *apiCluster) configuration(t *testing.T, dir, url string, authority []byte, change ...func(*admission.ValidatingWebhook)) string {
	t.Helper()
	objects, err := decode(c.With(t).Kubectl("kustomize", "../../deploy/"+dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if o.GetKind() != "ValidatingWebhookConfiguration" {
			continue
		}
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		hook := new(admission.ValidatingWebhookConfiguration)
		if err := yaml.UnmarshalStrict(text, hook); err != nil {
			t.Fatal(err)
		}
		for i := range hook.Webhooks {
			hook.Webhooks[i].ClientConfig = admission.WebhookClientConfig{URL: &url, CABundle: authority}
			for _, f := range change {
				f(&hook.Webhooks[i])
			}
		}
		if text, err = yaml.Marshal(hook); err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Fatalf("deploy/%s has no webhook", dir)
	return ""
}

// front is where the apiserver asks. It passes on what it is asked to the guard that
// stands behind it, and remembers the answers; with none there it says so, which is a
// failed call for an apiserver.
type front struct {
	server *httptest.Server
	client *http.Client

	mu      sync.Mutex
	behind  string
	answers []answered
}

// answered is one question and what became of it.
type answered struct {
	what     string // OPERATION RESOURCE SUBRESOURCE NAMESPACE/NAME
	allowed  bool
	warnings []string
}

// frontToken is what the guards know the front by, as an apiserver that is told to show one.
const frontToken = "the front's own"

func newFront(t *testing.T) *front {
	f := &front{}
	f.server = httptest.NewUnstartedServer(f)
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0) // an apiserver gives up connections now and then
	f.server.StartTLS()
	f.client = f.server.Client() // trusts the certificate, which the guards behind show too
	t.Cleanup(f.server.Close)
	return f
}

func (f *front) authority() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw})
}

func (f *front) stand(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.behind = url
}

// drain gives the answers since it was asked last.
func (f *front) drain() []answered {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.answers
	f.answers = nil
	return out
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	behind := f.behind
	f.mu.Unlock()
	if behind == "" {
		http.Error(w, "no guard", http.StatusServiceUnavailable)
		return
	}
	question, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodPost, behind+"/validate", bytes.NewReader(question))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ask.Header.Set("Content-Type", "application/json")
	ask.Header.Set("Authorization", "Bearer "+frontToken)
	res, err := f.client.Do(ask)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	f.remember(question, answer)
	w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(answer)
}

func (f *front) remember(question, answer []byte) {
	var q, a admissionreview.AdmissionReview
	if json.Unmarshal(question, &q) != nil || q.Request == nil || json.Unmarshal(answer, &a) != nil || a.Response == nil {
		return
	}
	r := q.Request
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, answered{
		what:    strings.Join([]string{string(r.Operation), r.Resource.Resource, r.SubResource, r.Namespace + "/" + r.Name}, " "),
		allowed: a.Response.Allowed, warnings: a.Response.Warnings,
	})
}

// guard runs `whohas-guard serve` in this process, behind the front, until the function that it
// gives is called. It is ready: its register and its facts are the cluster as it is now.
func (c *apiCluster) guard(t *testing.T, config *rest.Config, mode dataplane.ProxyMode, claims []claim.Claim) (end func()) {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(frontToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := server.Options{
		Config: rest.CopyConfig(config), MetricsListen: "0", Callers: server.Callers{Token: token, Demand: true},
		Watch:   watch.Options{Rules: rules.All(), Reads: reads(t), Mode: mode, ModeFrom: "--proxy-mode", Claims: claims},
		CertDir: certificates(t, c.front.server.TLS.Certificates[0]), Reports: "none", Log: slog.New(slog.DiscardHandler),
	}
	ctrl.SetLogger(logr.FromSlogHandler(o.Log.Handler()))
	for attempt := 1; ; attempt++ {
		// A port that was free a moment ago may be another's by now.
		o.Listen, o.HealthListen = port.Keep(t), port.Keep(t)
		end, err := serve(t, o)
		switch {
		case err == nil:
			c.front.drain()
			c.front.stand("https://" + o.Listen)
			return func() {
				c.front.stand("")
				end()
			}
		case attempt == 5 || !errors.Is(err, syscall.EADDRINUSE):
			t.Fatal("the guard ended: ", err)
		}
	}
}

// serve runs a guard until it is ready.
func serve(t *testing.T, o server.Options) (end func(), err error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, o) }()
	apiserver.Eventually(t, func() error {
		select {
		case err = <-ended:
			return nil
		default:
			return ask("http://" + o.HealthListen + "/readyz")
		}
	})
	if err != nil {
		stop()
		return nil, err
	}
	return func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}, nil
}

func ask(url string) error {
	res, err := (&http.Client{Timeout: time.Minute}).Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

func reads(t *testing.T) snapshot.Reads {
	t.Helper()
	r, err := check.Reads()
	if err != nil {
		t.Fatal(err)
	}
	return r
}
