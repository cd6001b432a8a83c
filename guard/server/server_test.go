// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"whohas/check"
	"whohas/guard/certificate"
	"whohas/guard/server"
	"whohas/guard/watch"
	"whohas/rules"
	"whohas/testkit/apiserver"
	"whohas/testkit/port"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const nodes = `
apiVersion: v1
kind: Node
metadata: {name: cdev01, labels: {node-role.kubernetes.io/control-plane: ""}}
status: {addresses: [{type: InternalIP, address: 192.168.10.114}]}
---
apiVersion: v1
kind: Node
metadata: {name: cdev02}
status: {addresses: [{type: InternalIP, address: 192.168.10.115}]}
---
apiVersion: v1
kind: Node
metadata: {name: cdev03}
status: {addresses: [{type: InternalIP, address: 192.168.10.116}]}
`

const proxy = `
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system, labels: {app: kube-proxy}}
data:
  config.conf: |
    apiVersion: kubeproxy.config.k8s.io/v1alpha1
    kind: KubeProxyConfiguration
    mode: ipvs
`

const installation = `
apiVersion: v1
kind: Namespace
metadata: {name: whohas-system}
---
apiVersion: v1
kind: Secret
metadata: {name: whohas-guard-cert, namespace: whohas-system}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: whohas-addresses, namespace: whohas-system}
---
apiVersion: v1
kind: Namespace
metadata: {name: demo}
`

const configuration = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: whohas-guard}
webhooks:
- name: guard.whohas.io
  admissionReviewVersions: [v1]
  sideEffects: NoneOnDryRun
  failurePolicy: %s
  timeoutSeconds: 5
  clientConfig: {url: "https://localhost:%s/validate"}
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [services, services/status]}
  - {apiGroups: [metallb.io], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [ipaddresspools]}
`

const tomcat = `
apiVersion: v1
kind: Service
metadata: {name: tomcat, namespace: demo%s}
spec: {externalIPs: [192.168.10.114], ports: [{port: 80}]}
`

const web = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {type: LoadBalancer, externalIPs: [192.168.10.200], ports: [{port: 80}]}
`

// guarded is a cluster with a running guard.
type guarded struct {
	*apiserver.Server
	t       *testing.T
	dir     string
	metrics string
	health  string
	at      string // where it listens
	secret  string
	callers server.Callers
	wrap    func(http.RoundTripper) http.RoundTripper // of what the guard asks the apiserver
	end     context.CancelFunc
	ended   chan error
}

// port is that of the webhook.
func (g *guarded) port() string { return strings.TrimPrefix(g.at, "127.0.0.1:") }

func start(t *testing.T, failurePolicy string) *guarded {
	t.Helper()
	g := &guarded{t: t, dir: t.TempDir(), at: port.Keep(t), secret: "whohas-guard-cert"}
	g.Server = apiserver.Start(t, g.introduce()...)
	g.metrics, g.health = port.Keep(t), port.Keep(t)
	g.KubectlInput(nodes+"---"+proxy+"---"+installation, "apply", "-f", "-")
	g.KubectlInput(nodes, "apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-")
	g.Serve(apiserver.IPAddressPool, apiserver.ClusterReportKind)
	g.KubectlInput(fmt.Sprintf(configuration, failurePolicy, g.port()), "apply", "-f", "-")
	g.run()
	return g
}

// run starts the guard, and mounts its Secret as a kubelet does.
func (g *guarded) run() {
	g.t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", g.Kubeconfig(apiserver.Admin))
	if err != nil {
		g.t.Fatal(err)
	}
	if g.wrap != nil {
		cfg.Wrap(g.wrap)
	}
	reads, err := check.Reads()
	if err != nil {
		g.t.Fatal(err)
	}
	if g.secret != "" {
		g.certify(cfg)
	}
	ctx, end := context.WithCancel(context.Background())
	g.end, g.ended = end, make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	go func() {
		g.ended <- server.Run(ctx, server.Options{
			Config: cfg, Watch: watch.Options{Reads: reads, Rules: rules.All()},
			Callers: g.callers, Listen: g.at, MetricsListen: g.metrics, HealthListen: g.health,
			Namespace: "whohas-system", CertDir: g.dir,
			PolicyConfigMap: "whohas-addresses", Reports: "auto", Lease: "whohas-guard", Log: log,
		})
	}()
	if g.secret != "" {
		go g.mount(ctx)
	}
	g.t.Cleanup(g.stop)
	g.eventually("ready", func() bool { return g.get(g.health, "/readyz") == "ok" })
}

// certify makes the certificate, as deploy's Job does.
func (g *guarded) certify(cfg *rest.Config) {
	g.t.Helper()
	client, err := kubernetes.NewForConfig(cfg)
	if err == nil {
		_, err = certificate.Ensure(g.t.Context(), certificate.Options{Client: client, Namespace: "whohas-system", Secret: g.secret, Webhook: "whohas-guard",
			Names: []string{"whohas-guard.whohas-system.svc", "localhost"}, Renew: certificate.DefaultRenew})
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *guarded) stop() {
	if g.end == nil {
		return
	}
	g.end()
	g.end = nil
	select {
	case err := <-g.ended:
		if err != nil {
			g.t.Errorf("the guard ended: %v", err)
		}
	case <-time.After(30 * time.Second):
		g.t.Error("the guard does not end")
	}
}

func (g *guarded) mount(ctx context.Context) {
	for ; ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
		text, err := g.KubectlAs(apiserver.Admin, "", "-n", "whohas-system", "get", "secret", "whohas-guard-cert", "-o", "json")
		var secret struct{ Data map[string]string }
		if err != nil || json.Unmarshal([]byte(text), &secret) != nil {
			continue
		}
		for name, value := range secret.Data {
			data, _ := base64.StdEncoding.DecodeString(value)
			if old, _ := os.ReadFile(filepath.Join(g.dir, name)); string(old) != string(data) {
				_ = os.WriteFile(filepath.Join(g.dir, name), data, 0o600)
			}
		}
	}
}

func (g *guarded) get(host, path string) string {
	res, err := http.Get("http://" + host + path)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return string(body)
}

func (g *guarded) eventually(what string, is func() bool) {
	g.t.Helper()
	for begun := time.Now(); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Since(begun) > 90*time.Second {
			g.t.Fatalf("never %s", what)
		}
	}
}

// refused runs kubectl, which must be refused, for each reason given.
func (g *guarded) refused(stdin string, why []string, args ...string) {
	g.t.Helper()
	out, err := g.KubectlAs(apiserver.Admin, stdin, args...)
	if err == nil {
		g.t.Errorf("kubectl %s passed: %s", strings.Join(args, " "), out)
		return
	}
	for _, w := range why {
		if !strings.Contains(err.Error(), w) {
			g.t.Errorf("kubectl %s: %v: it does not say %q", strings.Join(args, " "), err, w)
		}
	}
}

// TestServe: the incident cannot be made by whatever way, the fix always passes, and
// what is wrong past the webhook is told.
func TestServe(t *testing.T) {
	g := start(t, "Fail")
	incident := []string{"WH101", "192.168.10.114", "cdev01", "Service demo/tomcat"}
	made := fmt.Sprintf(tomcat, "")

	g.refused(made, incident, "apply", "-f", "-")
	g.refused(made, incident, "apply", "--server-side", "-f", "-")
	g.refused(made, incident, "create", "--dry-run=server", "-f", "-")
	g.KubectlInput(web, "apply", "-f", "-")
	patch := func(sub, p string, why ...string) {
		t.Helper()
		args := []string{"-n", "demo", "patch", "service", "web", "--type=merge", "-p", p}
		if sub != "" {
			args = append(args, "--subresource="+sub)
		}
		g.refused("", why, args...)
	}
	patch("", `{"spec":{"externalIPs":["192.168.10.115"]}}`, "WH101", "192.168.10.115", "cdev02")
	patch("", `{"spec":{"externalIPs":["192.168.10.200","192.168.10.116"]}}`, "WH101", "cdev03")
	patch("", `{"spec":{"loadBalancerIP":"192.168.10.114"}}`, "192.168.10.114")
	patch("status", `{"status":{"loadBalancer":{"ingress":[{"ip":"192.168.10.114"}]}}}`, "WH102", "192.168.10.114")
	g.KubectlInput("apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: lab, namespace: demo}\nspec: {addresses: [192.168.10.200-192.168.10.210]}", "apply", "-f", "-")
	g.refused("", []string{"192.168.10.1", "IPAddressPool demo/lab"}, "-n", "demo", "patch", "ipaddresspool", "lab", "--type=merge", "-p", `{"spec":{"addresses":["192.168.10.0/24"]}}`)

	t.Run("nobody else is answered", func(t *testing.T) { onlyKnown(t, g) })
	t.Run("break-glass", func(t *testing.T) { breakGlass(t, g) })
	t.Run("audit", func(t *testing.T) { auditTells(t, g) })

	g.stop()
	// Nobody answers, and what cannot be looked at is refused: this one's owner wants it
	// so. Deleting passes all the same.
	g.refused(fmt.Sprintf(tomcat, ""), []string{"failed calling webhook"}, "-n", "demo", "apply", "-f", "-")
	g.Kubectl("-n", "demo", "delete", "service", "web", "joined")
	g.Kubectl("delete", "validatingwebhookconfiguration", "whohas-guard")
	g.KubectlInput(made, "apply", "-f", "-")
}

const editor = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: edit-services}
rules: [{apiGroups: [""], resources: [services], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: limited-edits-services}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit-services}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: limited}]
`

const override = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: override, namespace: demo}
rules: [{apiGroups: [whohas.io], resources: [claims], verbs: [override]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: limited-overrides, namespace: demo}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: override}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: limited}]
`

func breakGlass(t *testing.T, g *guarded) {
	excused := fmt.Sprintf(tomcat, `, annotations: {whohas.io/allow: "WH101 reason=a test until=2099-01-01"}`)
	g.KubectlInput(editor, "apply", "-f", "-")
	var err error
	g.eventually("a Service by one who may edit Services", func() bool {
		_, err = g.KubectlAs(apiserver.Limited, "apiVersion: v1\nkind: Service\nmetadata: {name: plain, namespace: demo}\nspec: {ports: [{port: 80}]}", "create", "-f", "-")
		return err == nil
	})
	if _, err = g.KubectlAs(apiserver.Limited, excused, "create", "-f", "-"); err == nil || !strings.Contains(err.Error(), "override on claims.whohas.io") {
		t.Fatalf("who may edit Services excuses himself: %v", err)
	}
	expired := strings.Replace(excused, "2099", "2020", 1)
	if _, err = g.KubectlAs(apiserver.Admin, expired, "create", "-f", "-"); err == nil {
		t.Error("an expired permission counts")
	}
	g.KubectlInput(override, "apply", "-f", "-")
	g.eventually("excused", func() bool {
		_, err = g.KubectlAs(apiserver.Limited, excused, "create", "-f", "-")
		return err == nil
	})
	g.eventually("an Event about it", func() bool {
		return strings.Contains(g.Kubectl("-n", "demo", "get", "events", "-o", "wide"), "WH101 is excused until 2099-01-01, by limited: a test")
	})
	if m := g.get(g.metrics, "/metrics"); !strings.Contains(m, "whohas_guard_excused_total 1") {
		t.Error("the metric does not count it")
	}
	g.Kubectl("-n", "demo", "delete", "service", "tomcat", "plain")
}

func auditTells(t *testing.T, g *guarded) {
	// A Node joins with an address that is claimed already: it is never refused.
	g.KubectlInput("apiVersion: v1\nkind: Service\nmetadata: {name: joined, namespace: demo}\nspec: {externalIPs: [192.168.10.117], ports: [{port: 80}]}", "apply", "-f", "-")
	node := "apiVersion: v1\nkind: Node\nmetadata: {name: cdev04}\nstatus: {addresses: [{type: InternalIP, address: 192.168.10.117}]}"
	g.KubectlInput(node, "apply", "-f", "-")
	g.KubectlInput(node, "apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-")
	g.eventually("an Event on the Service", func() bool {
		return strings.Contains(g.Kubectl("-n", "demo", "get", "events", "--field-selector=involvedObject.name=joined", "-o", "wide"), "WH101 critical: 192.168.10.117 belongs to node cdev04")
	})
	g.eventually("an Event on the Node", func() bool {
		return strings.Contains(g.Kubectl("-n", "default", "get", "events", "-o", "wide"), "WH101 critical: 192.168.10.117 belongs to node cdev04")
	})
	g.eventually("a metric", func() bool {
		return strings.Contains(g.get(g.metrics, "/metrics"), `whohas_findings{rule="WH101",severity="critical"} 1`)
	})
	g.eventually("a report", func() bool {
		return strings.Contains(g.Kubectl("get", "clusterreports", "-o", "yaml"), "192.168.10.117 belongs to node cdev04")
	})
	g.eventually("the policy's map", func() bool {
		return strings.Contains(g.Kubectl("-n", "whohas-system", "get", "configmap", "whohas-addresses", "-o", "yaml"), "192.168.10.117")
	})
	for _, m := range []string{"whohas_guard_ready 1", "whohas_guard_mode_known 1", `whohas_guard_decisions_total{outcome="refused"}`, "whohas_guard_decision_seconds_bucket", "whohas_guard_register_claims", "whohas_guard_certificate_expiry_seconds 3"} {
		if !strings.Contains(g.get(g.metrics, "/metrics"), m) {
			t.Errorf("no metric %q", m)
		}
	}
	g.Kubectl("-n", "demo", "patch", "service", "joined", "--type=merge", "-p", `{"spec":{"externalIPs":null}}`)
	g.eventually("healed", func() bool {
		return !strings.Contains(g.get(g.metrics, "/metrics"), `whohas_findings{rule="WH101"`)
	})
}
