// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"strconv"
	"strings"

	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
)

// kubeVIPVariables are the only variables that are read of any container:
// others may hold secrets.
const kubeVIPVariables = "env[name=address|vip_address|cp_enable|svc_enable].value"

// KubeVIPPod is kube-vip's control-plane address in its Pod: a static Pod's
// manifest, or its mirror in the cluster.
var KubeVIPPod = add(Claimant{
	Kind:   "kubevip.pod.address",
	Role:   claim.ControlPlane,
	Doc:    "The variable `address` (older: `vip_address`) of a kube-vip Pod that serves the control plane: kube-vip keeps the address on one of the control-plane nodes.",
	Of:     snapshot.PodKind,
	Fields: []string{"spec.containers[].image", "spec.containers[]." + kubeVIPVariables},
	Object: func(o *snapshot.Object, yield Yield) { yieldKubeVIP(o.Field("spec", "containers"), yield) },
})

// KubeVIPDaemonSet is the same in a DaemonSet.
var KubeVIPDaemonSet = add(Claimant{
	Kind:   "kubevip.daemonset.address",
	Role:   claim.ControlPlane,
	Doc:    "The variable `address` (older: `vip_address`) of a kube-vip DaemonSet that serves the control plane: kube-vip keeps the address on one of the control-plane nodes.",
	Of:     cluster.DaemonSetKind,
	Fields: []string{"spec.template.spec.containers[].image", "spec.template.spec.containers[]." + kubeVIPVariables},
	Object: func(o *snapshot.Object, yield Yield) {
		yieldKubeVIP(o.Field("spec", "template", "spec", "containers"), yield)
	},
})

func yieldKubeVIP(containers snapshot.Field, yield Yield) {
	for c := range containers.Items() {
		env := variables(c)
		if !isKubeVIP(c.Get("image").Text()) || !servesControlPlane(env) {
			continue
		}
		for _, f := range list(kubeVIPAddress(env)) {
			// kube-vip resolves a name itself, and 0.0.0.0 asks DHCP for an
			// address: neither is known from here.
			if claimed := addr(f); claimed.Range.IsValid() && ofOneHost(claimed.Range.From) {
				claimed.Owner = controlPlane
				yield(claimed)
			}
		}
	}
}

// variables are a container's kept environment variables by name.
func variables(container snapshot.Field) map[string]snapshot.Field {
	env := map[string]snapshot.Field{}
	for v := range container.Get("env").Items() {
		if given(v.Get("value")) {
			env[v.Get("name").Text()] = v.Get("value")
		}
	}
	return env
}

// kubeVIPAddress: address beats the older vip_address; each may be a list
// (kube-vip pkg/cluster/cluster.go startNetworking, v1.2.3).
func kubeVIPAddress(env map[string]snapshot.Field) snapshot.Field {
	if f, ok := env["address"]; ok {
		return f
	}
	return env["vip_address"]
}

// servesControlPlane: `kube-vip manager` serves the control plane only if
// cp_enable is true (kube-vip pkg/kubevip/config_environment.go ParseEnvironment,
// v1.2.3). `kube-vip start`, up to 0.7, knew neither variable and did nothing
// else (v0.2.0 cmd/kube-vip-start.go); a manager with neither does not start.
func servesControlPlane(env map[string]snapshot.Field) bool {
	on, ok := env["cp_enable"]
	if !ok {
		_, services := env["svc_enable"]
		return !services
	}
	enabled, err := strconv.ParseBool(on.Text())
	return err == nil && enabled
}

// isKubeVIP reports whether an image is kube-vip's. Mirrors put their own name in
// front: "rancher/mirrored-kube-vip-kube-vip-iptables".
func isKubeVIP(image string) bool {
	name := image[strings.LastIndexByte(image, '/')+1:]
	name, _, _ = strings.Cut(name, "@")
	name, _, _ = strings.Cut(name, ":")
	return strings.HasSuffix(name, "kube-vip") || strings.HasSuffix(name, "kube-vip-iptables")
}
