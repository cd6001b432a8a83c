// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"whohas/lab/testbed"
)

// Where the guard answers, and where its files are on the control plane's host.
const (
	guardServes = "127.0.0.1:9443"
	guardHealth = "127.0.0.1:8081"
	guardFolder = "/etc/kubernetes/guard/"
	// GuardWebhook is where the runner puts the manifest of deploy/base.
	GuardWebhook = "/lab/guard-webhook.yaml"
)

// guard is `whohas-guard serve` beside the apiserver. Nothing asks it before a scenario
// applies the webhook's configuration, which is written next to its certificate.
func (c *Cluster) guard(h *testbed.Host) (string, []string, error) {
	manifest, err := os.ReadFile(GuardWebhook)
	if err != nil {
		return "", nil, fmt.Errorf("read the webhook's manifest: %w", err)
	}
	webhook, err := asked(manifest, "https://"+guardServes+"/validate", c.credentials.certificate)
	if err != nil {
		return "", nil, err
	}
	for name, text := range map[string]string{"tls.crt": string(c.credentials.certificate), "tls.key": string(c.credentials.key), "webhook.yaml": webhook} {
		if err := write(h, guardFolder+name, text); err != nil {
			return "", nil, err
		}
	}
	return "/lab/whohas-guard", []string{
		"serve", "--kubeconfig=/etc/kubernetes/admin.conf", "--listen=" + guardServes, "--health-listen=" + guardHealth, "--metrics-listen=0",
		"--cert-dir=" + guardFolder, "--lease=",
	}, nil
}

// asked gives a webhook's configuration a place where it is asked: no Pod runs in the
// lab, so no Service leads to one.
func asked(manifest []byte, url string, authority []byte) (string, error) {
	var o unstructured.Unstructured
	if err := yaml.Unmarshal(manifest, &o.Object); err != nil {
		return "", fmt.Errorf("read the webhook's manifest: %w", err)
	}
	hooks, _, err := unstructured.NestedSlice(o.Object, "webhooks")
	if err != nil || len(hooks) == 0 {
		return "", errors.Join(errors.New("the webhook's manifest has no webhooks"), err)
	}
	for _, hook := range hooks {
		if hook, ok := hook.(map[string]any); ok {
			hook["clientConfig"] = map[string]any{"url": url, "caBundle": base64.StdEncoding.EncodeToString(authority)}
		}
	}
	if err := unstructured.SetNestedSlice(o.Object, hooks, "webhooks"); err != nil {
		return "", err
	}
	text, err := yaml.Marshal(o.Object)
	return string(text), err
}

func (c *Cluster) guardReady(ctx context.Context) error {
	answer, err := get(ctx, c.testbed.Host(c.plan.ControlPlane), guardHealth, "/readyz")
	if err == nil && !strings.HasPrefix(answer, "ok") {
		return fmt.Errorf("guard: %s", answer)
	}
	return err
}

// unguard takes away what a scenario installed to refuse claims: the next one makes them.
func (c *Cluster) unguard(ctx context.Context) error {
	const group = "admissionregistration.k8s.io"
	for _, resource := range []string{"validatingwebhookconfigurations", "validatingadmissionpolicybindings", "validatingadmissionpolicies"} {
		at := c.Client.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource})
		list, err := at.List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("list %s: %w", resource, err)
		}
		for _, o := range list.Items {
			if err := at.Delete(ctx, o.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("delete %s %s: %w", resource, o.GetName(), err)
			}
		}
	}
	return nil
}
