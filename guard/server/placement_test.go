// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"whohas/testkit/apiserver"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/events"
)

const closing = `
apiVersion: v1
kind: Namespace
metadata: {name: whohas-system}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: whohas-guard}
webhooks:
- &w
  name: a.guard.whohas.io
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  clientConfig: {url: "https://localhost:1/validate"}
  rules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [things]}]
- {<<: *w, name: b.guard.whohas.io}
`

const budget = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: %s, namespace: whohas-system}
spec: {maxUnavailable: 1, selector: {matchLabels: {app.kubernetes.io/name: %s}}}
`

// replica makes a Pod of the guard on a node.
func replica(s *apiserver.Server, name, node string, ready bool) {
	s.KubectlInput(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: whohas-system, labels: {app.kubernetes.io/name: whohas, app.kubernetes.io/component: guard}}
spec: {nodeName: %s, containers: [{name: guard, image: whohas}]}
`, name, node), "apply", "-f", "-")
	s.Kubectl("-n", "whohas-system", "patch", "pod", name, "--subresource=status", "--type=merge", "-p",
		fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":"%s"}]}}`, map[bool]string{true: "True", false: "False"}[ready]))
}

// TestPlacement: what failing closed wants is missed one after the other, each told
// once; with Ignore nothing is wanted.
func TestPlacement(t *testing.T) {
	s := apiserver.Start(t)
	cfg, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig(apiserver.Admin))
	if err != nil {
		t.Fatal(err)
	}
	clients, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	recorder, log, unsafe := events.NewFakeRecorder(100), new(strings.Builder), false
	p := &placement{clients: clients, namespace: "whohas-system", recorder: recorder, log: slog.New(slog.NewTextHandler(log, nil)), unsafe: func(is bool) { unsafe = is }}
	policy := func(which string, i int) {
		s.Kubectl("patch", "validatingwebhookconfiguration", Name, "--type=json", "-p", fmt.Sprintf(`[{"op":"replace","path":"/webhooks/%d/failurePolicy","value":"%s"}]`, i, which))
	}
	for _, step := range []struct {
		name string
		do   func()
		want string // what is missing
		told bool   // an Event, the first time that it is so
	}{
		{"no webhook", func() {}, "", false},
		{"Ignore", func() { s.KubectlInput(closing, "apply", "-f", "-") }, "", false},
		{"one entry fails closed", func() { policy("Fail", 1) }, "0 of its replicas are ready, 2 are wanted; there is no PodDisruptionBudget for them", true},
		{"the same", func() {}, "0 of its replicas are ready, 2 are wanted; there is no PodDisruptionBudget for them", false},
		{"another's budget", func() { s.KubectlInput(fmt.Sprintf(budget, "other", "other"), "apply", "-f", "-") }, "0 of its replicas are ready, 2 are wanted; there is no PodDisruptionBudget for them", false},
		{"a budget", func() { s.KubectlInput(fmt.Sprintf(budget, "guard", "whohas"), "apply", "-f", "-") }, "0 of its replicas are ready, 2 are wanted", true},
		{"two, one of them ready", func() { replica(s, "a", "n1", true); replica(s, "b", "n1", false) }, "1 of its replicas are ready, 2 are wanted", true},
		{"on one node", func() { replica(s, "b", "n1", true) }, "all ready replicas are on one node", true},
		{"on two", func() { replica(s, "c", "n2", true) }, "", true},
		{"one goes", func() {
			s.Kubectl("-n", "whohas-system", "delete", "pod", "c", "--grace-period=0", "--force")
		}, "all ready replicas are on one node", true},
		{"Ignore again", func() { policy("Ignore", 1) }, "", true},
	} {
		step.do()
		p.look(t.Context())
		if p.told != step.want || unsafe != (step.want != "") {
			t.Errorf("%s: %q, unsafe %v", step.name, p.told, unsafe)
		}
		select {
		case e := <-recorder.Events:
			if !step.told || !strings.Contains(e, step.want) || step.want != "" && !strings.Contains(e, SwitchOff) {
				t.Errorf("%s: an Event %q", step.name, e)
			}
		default:
			if step.told {
				t.Errorf("%s: no Event", step.name)
			}
		}
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), SwitchOff) {
		t.Errorf("the log: %s", log)
	}
	// What cannot be read is not judged.
	unsafe = true
	s.Stop()
	p.look(t.Context())
	if !unsafe || p.told != "" || !strings.Contains(log.String(), "not known whether the guard may fail closed") {
		t.Errorf("without an apiserver: unsafe %v, %q", unsafe, p.told)
	}
}
