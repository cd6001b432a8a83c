// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"whohas/guard/certificate"
	"whohas/guard/server"
	"whohas/guard/watch"
	"whohas/rules"
	"whohas/testkit/apiserver"
	"whohas/testkit/port"

	"github.com/go-logr/logr"
	admission "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
)

const incident = `
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data: {config.conf: "mode: ipvs"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: whohas-addresses, namespace: whohas-system}
---
apiVersion: v1
kind: Service
metadata: {name: tomcat, namespace: default}
spec: {externalIPs: [192.168.10.114], ports: [{port: 80}]}
---
apiVersion: v1
kind: Node
metadata: {name: cdev01}
---
apiVersion: v1
kind: Node
metadata: {name: cdev02}
`

// TestGuardServesWithItsRights runs the guard as the account that base makes: what it does
// in a cluster, it may do, and nothing of it is forbidden.
func TestGuardServesWithItsRights(t *testing.T) {
	s := start(t)
	s.KubectlInput(incident, "apply", "-f", "-")
	for i, n := range []string{"cdev01", "cdev02"} {
		s.Kubectl("patch", "node", n, "--subresource=status", "--type=merge", "-p", fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.%d"}]}}`, 114+i))
	}
	s.Kubectl("apply", "-k", "overlays/fail-closed") // for which it reads most
	admin := config(t, s)
	clients, err := kubernetes.NewForConfig(admin)
	if err != nil {
		t.Fatal(err)
	}
	apiserver.Eventually(t, func() error { // roles reach the authorizer a little later
		_, err := s.KubectlAs("admin", "", "auth", "can-i", "list", "nodes", "--as="+account)
		return err
	})

	onlyTheAuthority(t, admin)
	certify(t, admin)
	log, health := &lines{}, port.Keep(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	o := server.Options{
		Config: actingAs(admin, account), Listen: port.Keep(t), MetricsListen: "0", HealthListen: health,
		Watch:     watch.Options{Rules: rules.All(), Reads: reads(t)},
		Namespace: namespace, CertDir: t.TempDir(),
		PolicyConfigMap: "whohas-addresses", Reports: "auto", Lease: name,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	ctrl.SetLogger(logr.FromSlogHandler(o.Log.Handler()))
	go func() { ended <- server.Run(ctx, o) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	go mount(ctx, clients, o.CertDir)

	apiserver.Eventually(t, func() error {
		select {
		case err := <-ended:
			ended <- err
			t.Fatal(err)
		default:
		}
		resp, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
	for what, args := range map[string][]string{
		"its certificate's authority": {"get", "validatingwebhookconfiguration", name, "-o", "jsonpath={.webhooks[4].clientConfig.caBundle}"},
		"its Lease":                   {"-n", namespace, "get", "lease", name, "-o", "jsonpath={.spec.holderIdentity}"},
		"the policy's parameter":      {"-n", namespace, "get", "configmap", "whohas-addresses", "-o", `jsonpath={.data.192\.168\.10\.114}`},
		"its report":                  {"get", "clusterreport", "whohas", "-o", "jsonpath={.results[0].rule}"},
		"what fail-closed wants":      {"get", "events", "--field-selector", "reason=FailClosedUnsafe", "-o", "jsonpath={.items[0].note}{.items[0].message}"},
		"an Event on the Service":     {"get", "events", "--field-selector", "involvedObject.name=tomcat", "-o", "jsonpath={.items[0].reason}"},
	} {
		apiserver.Eventually(t, func() error {
			out, err := s.KubectlAs("admin", "", args...)
			if err == nil && out == "" {
				err = errors.New("nothing there")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		})
	}
	for _, l := range strings.Split(log.String(), "\n") {
		if strings.Contains(strings.ToLower(l), "forbidden") {
			t.Error(l)
		}
	}
}

// certify makes the certificate as base's Job does, with its account's rights. The guard's
// own has none to it.
func certify(t *testing.T, admin *rest.Config) {
	t.Helper()
	for user, may := range map[string]bool{account: false, certifier: true} {
		clients, err := kubernetes.NewForConfig(actingAs(admin, user))
		if err != nil {
			t.Fatal(err)
		}
		_, err = certificate.Ensure(t.Context(), certificate.Options{Client: clients, Namespace: namespace, Secret: "whohas-guard-cert", Webhook: name,
			Names: []string{name + "." + namespace + ".svc"}, Renew: certificate.DefaultRenew})
		if (err == nil) != may {
			t.Errorf("%s: %v", user, err)
		}
	}
}

// onlyTheAuthority: the account that makes the certificate changes nothing else of the
// webhook. The apiserver learns of a policy a little later.
func onlyTheAuthority(t *testing.T, admin *rest.Config) {
	t.Helper()
	clients, err := kubernetes.NewForConfig(actingAs(admin, certifier))
	if err != nil {
		t.Fatal(err)
	}
	hooks := clients.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	for what, change := range map[string]func(*admission.ValidatingWebhookConfiguration){
		"its rules":     func(c *admission.ValidatingWebhookConfiguration) { c.Webhooks[0].Rules[0].Resources = []string{"*"} },
		"where it asks": func(c *admission.ValidatingWebhookConfiguration) { c.Webhooks[0].ClientConfig.Service.Name = "mine" },
		"what it does when nobody answers": func(c *admission.ValidatingWebhookConfiguration) {
			ignore := admission.Ignore
			c.Webhooks[0].FailurePolicy = &ignore
		},
		"a webhook more": func(c *admission.ValidatingWebhookConfiguration) {
			more := c.Webhooks[0].DeepCopy()
			more.Name = "more.guard.whohas.io"
			c.Webhooks = append(c.Webhooks, *more)
		},
	} {
		apiserver.Eventually(t, func() error {
			c, err := hooks.Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			change(c)
			_, err = hooks.Update(t.Context(), c, metav1.UpdateOptions{DryRun: []string{"All"}})
			if err == nil || !strings.Contains(err.Error(), "may write the authority, and nothing else") {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		})
	}
}

// actingAs is the configuration of a Pod with an account.
func actingAs(c *rest.Config, user string) *rest.Config {
	c = rest.CopyConfig(c)
	c.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}}
	return c
}

// mount does what a kubelet does: it brings the Secret into the Pod.
func mount(ctx context.Context, clients kubernetes.Interface, dir string) {
	for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		secret, err := clients.CoreV1().Secrets(namespace).Get(ctx, "whohas-guard-cert", metav1.GetOptions{})
		if err != nil {
			continue
		}
		for k, v := range secret.Data {
			path := filepath.Join(dir, k)
			if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, v) {
				continue
			}
			tmp := path + ".new"
			if os.WriteFile(tmp, v, 0o600) == nil {
				_ = os.Rename(tmp, path)
			}
		}
	}
}

// lines is a log that is written and read at once.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
