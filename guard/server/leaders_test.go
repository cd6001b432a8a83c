// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"whohas/check"
	"whohas/guard/audit"
	"whohas/guard/watch"
	"whohas/rules"
	"whohas/source/live"
	"whohas/testkit/apiserver"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const cluster = `
apiVersion: v1
kind: Namespace
metadata: {name: whohas-system}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: whohas-addresses, namespace: whohas-system}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data: {config.conf: "mode: ipvs"}
---
apiVersion: v1
kind: Service
metadata: {name: tomcat, namespace: default}
spec: {externalIPs: [192.168.10.114], ports: [{port: 80}]}
---
apiVersion: v1
kind: Node
metadata: {name: cdev01}
status: {addresses: [{type: InternalIP, address: 192.168.10.114}]}
`

// leader is as much of a process as writes.
func leader(t *testing.T, cfg *rest.Config) *audit.Audit {
	t.Helper()
	reads, err := check.Reads()
	if err != nil {
		t.Fatal(err)
	}
	w := watch.New(watch.Options{Reads: reads, Rules: rules.All()})
	go func() { _ = live.Follow(t.Context(), live.Options{Config: cfg, Reads: reads}, w) }()
	go w.Infer(t.Context())
	scheme := runtime.NewScheme()
	if err := core.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	reports, err := audit.NewReports(dyn, "auto", "whohas")
	if err != nil {
		t.Fatal(err)
	}
	return &audit.Audit{Watch: w, Pause: 10 * time.Millisecond, Every: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Publishers: []audit.Publisher{reports, &parameters{client: c, watch: w, namespace: "whohas-system", name: "whohas-addresses"}}}
}

// counter counts rounds.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) Publish(context.Context, *audit.Round) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return nil
}

func (c *counter) reached(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n >= n
}

// TestTwoLeaders: two that both believe to be the leader, round after round, write what
// is new, once, and do not write over one another.
func TestTwoLeaders(t *testing.T) {
	s := apiserver.Start(t)
	s.Serve(apiserver.ClusterReportKind)
	s.KubectlInput(cluster, "apply", "-f", "-")
	s.KubectlInput(cluster, "apply", "--server-side", "--force-conflicts", "-f", "-")
	s.Kubectl("patch", "node", "cdev01", "--subresource=status", "--type=merge", "-p", `{"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.114"}]}}`)
	cfg, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig(apiserver.Admin))
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS = -1
	var counts [2]counter
	for i := range counts {
		a := leader(t, cfg)
		a.Publishers = append(a.Publishers, &counts[i])
		go func() { _ = a.Run(t.Context()) }()
	}
	rounds := func(more int) {
		t.Helper()
		var until [2]int
		for i := range counts {
			counts[i].mu.Lock()
			until[i] = counts[i].n + more
			counts[i].mu.Unlock()
		}
		for end := time.Now().Add(time.Minute); !counts[0].reached(until[0]) || !counts[1].reached(until[1]); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("no rounds")
			}
		}
	}
	written := func() string {
		return s.Kubectl("get", "clusterreport/whohas", "-o", "jsonpath={.metadata.resourceVersion} {.results[*].rule}") + " " +
			s.Kubectl("-n", "whohas-system", "get", "configmap/whohas-addresses", "-o", "jsonpath={.metadata.resourceVersion} {.data}")
	}
	rounds(5)
	first := written()
	if !strings.Contains(first, "WH101") || !strings.Contains(first, "192.168.10.114") {
		t.Fatalf("written: %s", first)
	}
	rounds(20)
	if again := written(); again != first {
		t.Errorf("written again:\n%s\n%s", first, again)
	}
	s.Kubectl("delete", "service", "tomcat")
	for end := time.Now().Add(time.Minute); strings.Contains(written(), "WH101"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("what is new is not written: %s", written())
		}
	}
}
