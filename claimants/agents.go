// SPDX-License-Identifier: Apache-2.0

package claimants

// Agents that hand out the addresses of their pools.
const (
	AgentMetalLB   = "metallb"
	AgentCilium    = "cilium"
	AgentKubeVIP   = "kube-vip"
	AgentCalico    = "calico"
	AgentOpenELB   = "openelb"
	AgentPureLB    = "purelb"
	AgentOpenShift = "openshift" // its own externalIP and ingress controller
)
