// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"whohas/testkit/apiserver"
	"whohas/testkit/clustergen"
)

// loaded are the kinds that a real apiserver is given, in the order in which they need
// one another, and where each is written. Pods and slices are left out: decisions do
// not hang on them, and it takes minutes to write them. Services take two: the
// apiserver asks itself for each ClusterIP, 50 times a second at most (k8s.io/apiserver
// pkg/server/secure_serving.go NewLoopbackClientConfig).
var loaded = []struct{ kind, path string }{
	{"namespaces", "/api/v1/namespaces"},
	{"nodes", "/api/v1/nodes"},
	{"configmaps", "/api/v1/namespaces/%s/configmaps"},
	{"services", "/api/v1/namespaces/%s/services"},
	{"ipaddresspools", "/apis/metallb.io/v1beta1/namespaces/%s/ipaddresspools"},
	{"l2advertisements", "/apis/metallb.io/v1beta1/namespaces/%s/l2advertisements"},
	{"ippools", "/apis/crd.projectcalico.org/v1/ippools"},
}

// definitions are of the kinds that are no part of an apiserver.
var definitions = []struct{ group, version, plural, kind, scope string }{
	{"metallb.io", "v1beta1", "ipaddresspools", "IPAddressPool", "Namespaced"},
	{"metallb.io", "v1beta1", "l2advertisements", "L2Advertisement", "Namespaced"},
	{"crd.projectcalico.org", "v1", "ippools", "IPPool", "Cluster"},
}

// writers is how many requests are under way at once.
const writers = 32

// loader fills a real apiserver.
type loader struct {
	server *apiserver.Server
	client *http.Client
}

// fill writes a generated cluster's objects, and tells how many there are.
func (l *loader) fill(f *clustergen.Cluster) (objects int, err error) {
	for _, d := range definitions {
		if err := l.define(d.group, d.version, d.plural, d.kind, d.scope); err != nil {
			return 0, err
		}
	}
	if err := l.send(http.MethodPost, "/api/v1/namespaces", []byte(`{"metadata":{"name":"whohas-system"}}`)); err != nil {
		return 0, err
	}
	for _, k := range loaded {
		begun := time.Now()
		n, err := l.kind(f, k.kind, k.path)
		if err != nil {
			return 0, fmt.Errorf("load %s: %w", k.kind, err)
		}
		saying("  %d %s in %.1f s", n, k.kind, time.Since(begun).Seconds())
		objects += n
	}
	return objects, nil
}

// kind writes all objects of one, many at a time.
func (l *loader) kind(f *clustergen.Cluster, kind, path string) (int, error) {
	work, failed := make(chan json.RawMessage), make(chan error, writers)
	var ended sync.WaitGroup
	for range writers {
		ended.Go(func() {
			var first error
			for text := range work {
				if first == nil {
					first = l.write(kind, path, text)
				}
			}
			failed <- first
		})
	}
	n := 0
	err := each(f, kind, func(text json.RawMessage) error {
		n++
		work <- text
		return nil
	})
	close(work)
	ended.Wait()
	close(failed)
	for e := range failed {
		err = cmp.Or(err, e) // one says enough
	}
	return n, err
}

// write makes an object, and its status where a creation has none. What the apiserver
// has made itself stays.
func (l *loader) write(kind, path string, text json.RawMessage) error {
	var o object
	var whole map[string]any
	if err := errors.Join(json.Unmarshal(text, &o), json.Unmarshal(text, &whole)); err != nil {
		return err
	}
	if kind == "services" && o.Metadata.Namespace == "default" && o.Metadata.Name == "kubernetes" {
		return nil
	}
	meta := whole["metadata"].(map[string]any)
	for _, own := range []string{"resourceVersion", "uid", "creationTimestamp"} {
		delete(meta, own)
	}
	if status, ok := whole["status"].(map[string]any); ok && kind == "nodes" {
		delete(status["nodeInfo"].(map[string]any), "swap") // a capacity of 0 is refused
	}
	text, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	if strings.Contains(path, "%s") {
		path = fmt.Sprintf(path, o.Metadata.Namespace)
	}
	if err := l.send(http.MethodPost, path, text); err != nil {
		return err
	}
	if kind != "services" || len(o.Status.LoadBalancer.Ingress) == 0 {
		return nil
	}
	status, err := json.Marshal(map[string]any{"status": whole["status"]})
	if err != nil {
		return err
	}
	return l.send(http.MethodPatch, path+"/"+o.Metadata.Name+"/status", status)
}

// define makes a kind, and waits until it is served.
func (l *loader) define(group, version, plural, kind, scope string) error {
	text := fmt.Sprintf(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"%[3]s.%[1]s"},
"spec":{"group":%[1]q,"names":{"kind":%[4]q,"plural":%[3]q,"singular":%[6]q,"listKind":"%[4]sList"},"scope":%[5]q,
"versions":[{"name":%[2]q,"served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`,
		group, version, plural, kind, scope, strings.ToLower(kind))
	if err := l.send(http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", []byte(text)); err != nil {
		return err
	}
	var err error
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(50 * time.Millisecond) {
		if err = l.send(http.MethodGet, "/apis/"+group+"/"+version+"/"+plural, nil); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s is not served: %w", kind, err)
}

func (l *loader) send(method, path string, body []byte) error {
	req, err := http.NewRequest(method, l.server.URL()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	res, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 400 && res.StatusCode != http.StatusConflict {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, text)
	}
	return err
}
