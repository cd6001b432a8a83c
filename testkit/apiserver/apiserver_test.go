// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"strings"
	"testing"
	"time"

	"whohas/testkit/apiserver"
)

const node = `
apiVersion: v1
kind: Node
metadata:
  name: n1
spec:
  podCIDR: 10.244.1.0/24
  podCIDRs: [10.244.1.0/24]
`

const nodeStatus = `
apiVersion: v1
kind: Node
metadata:
  name: n1
status:
  addresses:
  - {type: InternalIP, address: 192.0.2.10}
  - {type: Hostname, address: n1}
`

const service = `
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  clusterIP: 10.96.7.7
  externalIPs: [198.51.100.7]
  ports:
  - port: 80
`

const limitedMayReadNodes = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: read-nodes
rules:
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: limited-reads-nodes
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: read-nodes
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: limited
`

func TestServer(t *testing.T) {
	begun := time.Now()
	server := apiserver.Start(t)
	t.Logf("ready after %v", time.Since(begun).Round(time.Millisecond))

	t.Run("objects", func(t *testing.T) {
		s := server.With(t)
		s.KubectlInput(node+"---"+service, "apply", "-f", "-")
		s.KubectlInput(nodeStatus, "apply", "--server-side", "--subresource=status", "-f", "-")
		want(t, s.Kubectl("get", "node", "n1", "-o",
			"jsonpath={.spec.podCIDR} {.status.addresses[*].address}"),
			"10.244.1.0/24 192.0.2.10 n1")
		want(t, s.Kubectl("get", "service", "web", "-o",
			"jsonpath={.spec.clusterIP} {.spec.externalIPs[*]}"),
			"10.96.7.7 198.51.100.7")
	})
	t.Run("version", func(t *testing.T) {
		s := server.With(t)
		got := s.Kubectl("version", "-o", "yaml")
		if strings.Count(got, `minor: "36"`) != 2 {
			t.Errorf("client and server are not both of minor version 36:\n%s", got)
		}
	})
	t.Run("limited", func(t *testing.T) {
		s := server.With(t)
		refused(t, s, apiserver.Limited, "Forbidden")
		s.KubectlInput(limitedMayReadNodes, "apply", "-f", "-")
		// The authorizer sees new bindings through a watch, a little later.
		deadline := time.Now().Add(time.Minute)
		for {
			_, err := s.KubectlAs(apiserver.Limited, "", "get", "nodes")
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("still refused with a binding: %v", err)
			}
		}
	})
	t.Run("unknown user", func(t *testing.T) {
		refused(t, server.With(t), "nobody-known", "Unauthorized")
	})
	// Last: nothing answers in between.
	server.Stop()
	if res, err := server.Client(apiserver.Admin).Get(server.URL() + "/readyz"); err == nil {
		t.Errorf("a stopped server answers: %s", res.Status)
	}
	server.Again()
	want(t, server.Kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"), "10.96.7.7")
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// refused checks that user may not list nodes, for the reason given.
func refused(t *testing.T, s *apiserver.Server, user, reason string) {
	t.Helper()
	out, err := s.KubectlAs(user, "", "get", "nodes")
	if err == nil {
		t.Fatalf("%s listed nodes:\n%s", user, out)
	}
	if !strings.Contains(err.Error(), reason) {
		t.Errorf("%s: got %v, want %s", user, err, reason)
	}
}
