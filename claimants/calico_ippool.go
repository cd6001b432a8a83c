// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// CalicoIPPool is where Pods get addresses from (calico
// api/pkg/apis/projectcalico/v3/ippool.go, v3.32). Without allowedUses a pool
// serves Pods and tunnel devices. One for tunnel devices alone is claimed as the
// Pods' range too: as little as a Pod's is such an address anybody else's, but it
// is a host's only when a node has it, and the Nodes' annotations say which.
//
// A disabled pool is claimed: nothing new comes from it, but Pods that run may
// have its addresses, and Calico routes and masquerades for it.
var CalicoIPPool = calicoIPPool("calico.ipPool", calicoGroup,
	"`spec.cidr` of a Calico IPPool for workloads: addresses of Pods come from it.")

// CalicoCRDIPPool is the same as stored.
var CalicoCRDIPPool = calicoIPPool("calico.crd.ipPool", calicoCRDGroup,
	"`spec.cidr` of a Calico IPPool for workloads, as stored under crd.projectcalico.org.")

// CalicoLoadBalancerPool is a pool for Services: allowedUses LoadBalancer, which
// goes with no other use.
var CalicoLoadBalancerPool = calicoLoadBalancerPool("calico.loadBalancerPool", calicoGroup,
	"`spec.cidr` of a Calico IPPool with allowedUses LoadBalancer that is not disabled: Calico gives Services these addresses.")

// CalicoCRDLoadBalancerPool is the same as stored.
var CalicoCRDLoadBalancerPool = calicoLoadBalancerPool("calico.crd.loadBalancerPool", calicoCRDGroup,
	"`spec.cidr` of a Calico IPPool with allowedUses LoadBalancer, as stored under crd.projectcalico.org.")

var calicoPoolFields = []string{"spec.cidr", "spec.allowedUses[]", "spec.disabled<bool>", "spec.assignmentMode"}

func calicoIPPool(kind claim.Kind, group, doc string) *Claimant {
	return add(Claimant{
		Kind: kind, Role: claim.PodRange, Doc: doc, Of: calicoPoolKind(group), Fields: calicoPoolFields,
		Object: func(o *snapshot.Object, yield Yield) {
			if !forLoadBalancers(o) {
				yieldCalicoPool(o, "", yield)
			}
		},
	})
}

func calicoLoadBalancerPool(kind claim.Kind, group, doc string) *Claimant {
	return add(Claimant{
		Kind: kind, Role: claim.Pool, Doc: doc, Of: calicoPoolKind(group), Fields: calicoPoolFields,
		Object: func(o *snapshot.Object, yield Yield) {
			if forLoadBalancers(o) && !o.Field("spec", "disabled").Is() {
				yieldCalicoPool(o, AgentCalico, yield)
			}
		},
	})
}

func calicoPoolKind(group string) snapshot.Kind {
	return snapshot.Kind{Group: group, Kind: "IPPool", Resource: "ippools"}
}

func forLoadBalancers(o *snapshot.Object) bool {
	for use := range o.Field("spec", "allowedUses").Items() {
		if use.Text() == "LoadBalancer" {
			return true
		}
	}
	return false
}

func yieldCalicoPool(o *snapshot.Object, agent string, yield Yield) {
	if f := o.Field("spec", "cidr"); given(f) {
		c := span(f)
		c.Agent, c.Owner = agent, calicoOwner(o)
		yield(c)
	}
}
