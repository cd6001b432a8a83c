// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"
	"strings"
	"time"
)

// Kind is a kind of object that somebody else's controller brings. The server serves it
// with any fields, in one version.
type Kind struct {
	Group, Version, Kind, Plural string
	Cluster                      bool // its objects have no namespace
}

// Kinds that several tests want.
var (
	IPAddressPool     = Kind{Group: "metallb.io", Version: "v1beta1", Kind: "IPAddressPool", Plural: "ipaddresspools"}
	BGPPeer           = Kind{Group: "metallb.io", Version: "v1beta2", Kind: "BGPPeer", Plural: "bgppeers"}
	CiliumPool        = Kind{Group: "cilium.io", Version: "v2", Kind: "CiliumLoadBalancerIPPool", Plural: "ciliumloadbalancerippools", Cluster: true}
	CalicoPool        = Kind{Group: "crd.projectcalico.org", Version: "v1", Kind: "IPPool", Plural: "ippools", Cluster: true}
	GatewayKind       = Kind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "Gateway", Plural: "gateways"}
	ClusterReportKind = Kind{Group: "openreports.io", Version: "v1alpha1", Kind: "ClusterReport", Plural: "clusterreports", Cluster: true}
)

// Serve makes the server serve kinds, and returns when it does.
func (s *Server) Serve(kinds ...Kind) {
	s.tb.Helper()
	var text strings.Builder
	wait := []string{"wait", "--for=condition=Established", "--timeout=60s"}
	for _, k := range kinds {
		text.WriteString(k.definition())
		wait = append(wait, "crd/"+k.name())
	}
	s.KubectlInput(text.String(), "apply", "--server-side", "-f", "-")
	s.Kubectl(wait...)
}

func (k Kind) name() string { return k.Plural + "." + k.Group }

func (k Kind) definition() string {
	scope, approved := "Namespaced", ""
	if k.Cluster {
		scope = "Cluster"
	}
	if strings.HasSuffix(k.Group, ".k8s.io") { // else refused: apiextensions-apiserver pkg/apihelpers GetAPIApprovalState
		approved = `, annotations: {api-approved.kubernetes.io: "unapproved, for a test"}`
	}
	return fmt.Sprintf(`---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s%[2]s}
spec:
  group: %[3]s
  names: {kind: %[4]s, plural: %[5]s, singular: %[6]s, listKind: %[4]sList}
  scope: %[7]s
  versions: [{name: %[8]s, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`, k.name(), approved, k.Group, k.Kind, k.Plural, strings.ToLower(k.Kind), scope, k.Version)
}

// Eventually tries again and again for a minute until something holds, and fails tb with
// the last error.
func Eventually(tb TB, try func() error) {
	tb.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	tb.Fatalf("%v", err)
}
