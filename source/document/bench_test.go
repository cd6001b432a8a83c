// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"whohas/snapshot"

	"go.yaml.in/yaml/v3"
)

// podJSON is a Pod as a cluster holds it, about 10 KB in kubectl's layout.
func podJSON(n int, managed bool) map[string]any {
	object := func(s string) map[string]any {
		var v map[string]any
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			panic(err)
		}
		return v
	}
	mount := `{"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "kube-api-access-x7k2p", "readOnly": true}`
	container := func(name string) string {
		return `{"name": "` + name + `", "image": "registry.example.org/shop/` + name + `:1.27.4@sha256:9d6b58feebd2dbd3c56ab5853333d627cc6e281011cfd6050fa4bcf2072c9496",
		"args": ["--listen=0.0.0.0:8080", "--log-level=info", "--metrics-bind-address=:9090"],
		"env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
			{"name": "DATABASE_URL", "value": "postgres://shop@db.shop.svc:5432/shop?sslmode=verify-full"},
			{"name": "FEATURES", "value": "a,b,c,d"}],
		"imagePullPolicy": "IfNotPresent",
		"livenessProbe": {"failureThreshold": 3, "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1},
		"readinessProbe": {"failureThreshold": 3, "httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1},
		"ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}, {"containerPort": 9090, "name": "metrics", "protocol": "TCP"}],
		"resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
		"securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true, "runAsNonRoot": true},
		"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "volumeMounts": [` + mount + `]}`
	}
	status := func(name string) string {
		return `{"containerID": "containerd://5a2b7d0e2f9d4b8f8c6a0e5d8b1f1c6f2c0d9b7a6e5f4d3c2b1a09f8e7d6c5b4", "image": "registry.example.org/shop/` + name + `:1.27.4",
		"imageID": "registry.example.org/shop/` + name + `@sha256:9d6b58feebd2dbd3c56ab5853333d627cc6e281011cfd6050fa4bcf2072c9496",
		"lastState": {}, "name": "` + name + `", "ready": true, "restartCount": 0, "started": true, "state": {"running": {"startedAt": "2026-01-12T08:15:31Z"}}}`
	}
	condition := func(kind string) string {
		return `{"lastProbeTime": null, "lastTransitionTime": "2026-01-12T08:15:30Z", "observedGeneration": 1, "status": "True", "type": "` + kind + `"}`
	}
	pod := object(fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {
		"annotations": {"checksum/config": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "prometheus.io/scrape": "true"},
		"creationTimestamp": "2026-01-12T08:15:29Z", "generateName": "shop-7d4b9c6f5-", "labels": {"app.kubernetes.io/instance": "shop", "app.kubernetes.io/name": "shop", "pod-template-hash": "7d4b9c6f5"},
		"name": "shop-7d4b9c6f5-%05d", "namespace": "shop-%03d", "ownerReferences": [{"apiVersion": "apps/v1", "blockOwnerDeletion": true, "controller": true, "kind": "ReplicaSet", "name": "shop-7d4b9c6f5", "uid": "6a1d2c3b-4e5f-6071-8293-a4b5c6d7e8f9"}],
		"resourceVersion": "%d", "uid": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
		"spec": {"containers": [%s, %s], "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "nodeName": "node-%04d.example.org", "preemptionPolicy": "PreemptLowerPriority", "priority": 0, "restartPolicy": "Always",
			"schedulerName": "default-scheduler", "securityContext": {}, "serviceAccount": "shop", "serviceAccountName": "shop", "terminationGracePeriodSeconds": 30,
			"tolerations": [{"effect": "NoExecute", "key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300}, {"effect": "NoExecute", "key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}],
			"volumes": [{"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}, {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}}, {"downwardAPI": {"items": [{"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}, "path": "namespace"}]}}]}}]},
		"status": {"conditions": [%s, %s, %s, %s], "containerStatuses": [%s, %s], "hostIP": "10.4.%d.%d", "hostIPs": [{"ip": "10.4.%d.%d"}], "phase": "Running", "podIP": "10.244.%d.%d", "podIPs": [{"ip": "10.244.%d.%d"}], "qosClass": "Burstable", "startTime": "2026-01-12T08:15:29Z"}}`,
		n, n%200, 1000000+n, container("shop"), container("sidecar"), n%5000,
		condition("PodReadyToStartContainers"), condition("Initialized"), condition("Ready"), condition("PodScheduled"), status("shop"), status("sidecar"),
		n/250%250, n%250, n/250%250, n%250, n/250%250, n%250, n/250%250, n%250))
	if managed {
		pod["metadata"].(map[string]any)["managedFields"] = []any{
			object(`{"apiVersion": "v1", "fieldsType": "FieldsV1", "manager": "kube-controller-manager", "operation": "Update", "time": "2026-01-12T08:15:29Z", "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, "f:checksum/config": {}}, "f:generateName": {}, "f:labels": {".": {}, "f:app.kubernetes.io/instance": {}, "f:app.kubernetes.io/name": {}}, "f:ownerReferences": {".": {}, "k:{\"uid\":\"6a1d2c3b-4e5f-6071-8293-a4b5c6d7e8f9\"}": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"shop\"}": {".": {}, "f:args": {}, "f:env": {".": {}, "k:{\"name\":\"POD_IP\"}": {".": {}, "f:name": {}, "f:valueFrom": {}}}, "f:image": {}, "f:ports": {".": {}, "k:{\"containerPort\":8080,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:name": {}, "f:protocol": {}}}}}, "f:dnsPolicy": {}, "f:enableServiceLinks": {}}}}`),
			object(`{"apiVersion": "v1", "fieldsType": "FieldsV1", "manager": "kubelet", "operation": "Update", "subresource": "status", "time": "2026-01-12T08:15:31Z", "fieldsV1": {"f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": {".": {}, "f:lastTransitionTime": {}, "f:status": {}}}, "f:containerStatuses": {}, "f:hostIP": {}, "f:phase": {}, "f:podIP": {}, "f:podIPs": {".": {}, "k:{\"ip\":\"10.244.0.1\"}": {".": {}, "f:ip": {}}}, "f:startTime": {}}}}`),
		}
	}
	return pod
}

func podList(n int, managed bool) map[string]any {
	items := make([]any, n)
	for i := range items {
		items[i] = podJSON(i, managed)
	}
	return map[string]any{"apiVersion": "v1", "kind": "List", "items": items, "metadata": map[string]any{"resourceVersion": ""}}
}

func pretty(tb testing.TB, v any) []byte {
	tb.Helper()
	text, err := json.MarshalIndent(v, "", "    ")
	if err != nil {
		tb.Fatal(err)
	}
	return append(text, '\n')
}

// kubectlYAML writes YAML as kubectl does: lists are not indented in maps.
func kubectlYAML(tb testing.TB, v any) []byte {
	tb.Helper()
	var buf bytes.Buffer
	e := yaml.NewEncoder(&buf)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if err := e.Encode(v); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func benchmarkDecode(b *testing.B, text []byte) {
	r := Reading{Reads: testReads(b), File: "pods"}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var into snapshot.Builder
		r.Into = &into
		result, err := r.Decode(b.Context(), struct{ io.Reader }{bytes.NewReader(text)})
		if err != nil || result.Bad != 0 || result.Objects == 0 {
			b.Fatal(result, err)
		}
	}
}

func BenchmarkJSONPretty(b *testing.B)  { benchmarkDecode(b, pretty(b, podList(2000, false))) }
func BenchmarkJSONManaged(b *testing.B) { benchmarkDecode(b, pretty(b, podList(2000, true))) }

func BenchmarkJSONCompact(b *testing.B) {
	text, err := json.Marshal(podList(4000, true))
	if err != nil {
		b.Fatal(err)
	}
	benchmarkDecode(b, text)
}

func BenchmarkYAML(b *testing.B) { benchmarkDecode(b, kubectlYAML(b, podList(500, false))) }

// BenchmarkSmall is one file of a repository of manifests.
func BenchmarkSmall(b *testing.B) { benchmarkDecode(b, []byte(seeds[7])) }

// BenchmarkYAMLParser is what block does not accept: here for the line ends.
func BenchmarkYAMLParser(b *testing.B) {
	text := kubectlYAML(b, podList(200, false))
	benchmarkDecode(b, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
}

// BenchmarkSplit is the one goroutine that nothing can take work from.
func BenchmarkSplit(b *testing.B) {
	text := pretty(b, podList(2000, false))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s := splitter{window: windowOn(text, 1), pool: newPool(b.Context(), &Reading{Into: new(snapshot.Builder)})}
		s.pool.work, s.pool.free = make(chan *batch, 1), make(chan *batch, 1)
		go func() {
			for w := range s.pool.work {
				w.text, w.items = w.text[:0], w.items[:0]
				s.pool.under.Done()
				s.pool.free <- w
			}
		}()
		s.pool.free <- &batch{}
		s.stream()
		close(s.pool.work)
	}
}
