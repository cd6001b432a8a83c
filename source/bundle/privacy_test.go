// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"strings"
	"testing"

	"whohas/snapshot"
	"whohas/source/document"
)

// TestPrivacy follows objects with secrets in them from a stream to the bytes of
// a file: nothing but declared fields comes through.
func TestPrivacy(t *testing.T) {
	const secret = "s3cr3t"
	const text = `
apiVersion: v1
kind: Secret
metadata: {name: s3cr3t-name, namespace: demo}
data: {password: s3cr3t}
stringData: {password: s3cr3t}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: kube-proxy
  namespace: kube-system
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"data":{"x":"s3cr3t"}}'
    s3cr3t: s3cr3t
  labels: {s3cr3t: s3cr3t}
  managedFields:
  - {manager: kubectl, operation: Update, fieldsV1: {"f:data": {"f:s3cr3t": {}, "f:config.conf": {}}}}
data:
  config.conf: |
    mode: ipvs
    clientConnection: {kubeconfig: s3cr3t}
    # s3cr3t
  other.conf: s3cr3t
  s3cr3t: x
---
apiVersion: v1
kind: ConfigMap
metadata: {name: s3cr3t-application, namespace: demo}
data: {config.conf: "mode: s3cr3t"}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: demo, annotations: {token: s3cr3t}}
spec:
  nodeName: n1
  containers:
  - name: web
    image: registry.example/s3cr3t
    args: [--proxy-mode=ipvs, --password=s3cr3t]
    env:
    - {name: NODE_IP, value: 192.0.2.1}
    - {name: PASSWORD, value: s3cr3t}
    - {name: s3cr3t, valueFrom: {secretKeyRef: {name: s3cr3t, key: s3cr3t}}}
    envFrom: [{secretRef: {name: s3cr3t}}]
    volumeMounts: [{name: s3cr3t, mountPath: /s3cr3t}]
  volumes: [{name: s3cr3t, secret: {secretName: s3cr3t}}]
status: {podIP: 10.1.2.3, phase: Running, message: s3cr3t}
`
	configMaps := snapshot.Kind{Kind: "ConfigMap", Resource: "configmaps", Namespaced: true}
	reads, err := snapshot.NewReads(append(snapshot.OwnReads(),
		snapshot.Read{Kind: configMaps, Names: []string{"kube-system/kube-proxy"}, Fields: []string{`data."config.conf"<yaml>.mode`}},
		snapshot.Read{Kind: snapshot.PodKind, Fields: []string{"spec.containers[].args[^--proxy-mode]", "spec.containers[].env[name=NODE_IP].value"}},
	)...)
	if err != nil {
		t.Fatal(err)
	}
	var b snapshot.Builder
	res, err := document.Reading{Reads: reads, Into: &b, File: "dump.yaml"}.Decode(t.Context(), strings.NewReader(text))
	if err != nil || res.Bad > 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	res.Cover(&b, false)
	got := unzipped(t, write(t, b.Snapshot()))
	if strings.Contains(got, secret) {
		t.Errorf("a secret is in the file:\n%s", got)
	}
	for _, kept := range []string{`"mode":"ipvs"`, "--proxy-mode=ipvs", "192.0.2.1", "10.1.2.3", "web"} {
		if !strings.Contains(got, kept) {
			t.Errorf("%s is not in the file:\n%s", kept, got)
		}
	}
}
