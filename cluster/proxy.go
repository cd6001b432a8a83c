// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"slices"
	"strings"

	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/snapshot"
)

// modeEvidence looks for the proxy mode in one sort of object. A configuration
// that was read with an empty mode is iptables: kube-proxy's default on Linux
// (kubernetes cmd/kube-proxy/app/server_linux.go, platformApplyDefaults).
type modeEvidence struct {
	kind snapshot.Kind
	mode func(*snapshot.Object) (dataplane.ProxyMode, snapshot.Field, bool)
}

// modeSources are asked in this order: the first that answers decides. The
// replacements of kube-proxy come first, because its configuration is often
// left behind when they take over.
var modeSources = []modeEvidence{
	{ConfigMapKind, ciliumMode},
	{felixConfig, calicoMode},
	{DaemonSetKind, kubeRouterMode},
	{ConfigMapKind, kubeProxyMode},
	{proxyConfig, proxyConfigMode},
	{DaemonSetKind, kubeProxyArgs},
	{snapshot.PodKind, kubeProxyArgs},
	{NodeKind, nodeArgsIPVS},
	{NodeKind, nodeArgsMode},
	{openshiftNet, openshiftMode},
}

func (f *Facts) proxyMode(s *snapshot.Snapshot, override dataplane.ProxyMode, from string) {
	if override != dataplane.ModeUnknown {
		f.Mode, f.ModeFrom = override, from
		f.conclude("proxy mode", override.String(), from, snapshot.Origin{})
		f.gate(s)
		return
	}
	seen := observe(s.Hosts)
	for _, e := range modeSources {
		for _, o := range s.Kind(e.kind) {
			mode, at, ok := e.mode(o)
			if !ok {
				continue
			}
			if seen.corrects(mode) {
				f.observed(seen, fmt.Sprintf("; %s says %s", o.Ref, mode))
				f.gate(s)
				return
			}
			f.Mode, f.ModeFrom = mode, o.Ref.String()
			f.KubeRouter = isKubeRouter(at)
			f.conclude("proxy mode", mode.String(), o.Ref.String(), at.Origin())
			f.gate(s)
			return
		}
	}
	if len(seen) > 0 {
		f.observed(seen, "")
		f.gate(s)
		return
	}
	f.conclude("proxy mode", "unknown", "no proxy configuration among what was read", snapshot.Origin{})
}

// isKubeRouter reports whether a mode stands in an argument or image of kube-router.
func isKubeRouter(at snapshot.Field) bool {
	return strings.Contains(at.Text(), "service-proxy") || imageNamed(at.Text(), "kube-router")
}

// gate looks for kube-proxy's gate AllowServiceExternalIPs, which its
// replacements do not know.
func (f *Facts) gate(s *snapshot.Snapshot) {
	if f.Mode == dataplane.EBPF || f.KubeRouter {
		return
	}
	for _, o := range slices.Concat(s.Kind(ConfigMapKind), s.Kind(proxyConfig), s.Kind(DaemonSetKind)) {
		if g, off := gateOff(o); off {
			f.ExternalIPsOff = true
			f.conclude("externalIPs", "off", o.Ref.String(), g.Origin())
		}
	}
}

func gateOff(o *snapshot.Object) (snapshot.Field, bool) {
	const name = "AllowServiceExternalIPs"
	switch o.Ref.Kind {
	case ConfigMapKind.Kind:
		g := o.Field("data", "config.conf", "featureGates", name)
		return g, g.Text() == "false"
	case proxyConfig.Kind:
		g := o.Field("featureGates", name)
		return g, g.Text() == "false"
	}
	for c := range o.Field("spec", "template", "spec", "containers").Items() {
		for _, list := range []string{"command", "args"} {
			for a := range c.Get(list).Items() {
				gates, ok := strings.CutPrefix(a.Text(), "--feature-gates=")
				if ok && c.Get("name").Text() == "kube-proxy" && slices.Contains(strings.Split(gates, ","), name+"=false") {
					return a, true
				}
			}
		}
	}
	return snapshot.Field{}, false
}

func ciliumMode(o *snapshot.Object) (dataplane.ProxyMode, snapshot.Field, bool) {
	if o.Ref.Name != "cilium-config" {
		return "", snapshot.Field{}, false
	}
	at := o.Field("data", "kube-proxy-replacement")
	return dataplane.EBPF, at, at.Text() == "true" || at.Text() == "strict"
}

func calicoMode(o *snapshot.Object) (dataplane.ProxyMode, snapshot.Field, bool) {
	at := o.Field("spec", "bpfEnabled")
	return dataplane.EBPF, at, at.Is()
}

// kubeRouterMode: kube-router binds service addresses on kube-dummy-if of every
// node, as IPVS mode does (kube-router pkg/controllers/proxy, setupExternalIPForService).
func kubeRouterMode(o *snapshot.Object) (dataplane.ProxyMode, snapshot.Field, bool) {
	for c := range o.Field("spec", "template", "spec", "containers").Items() {
		if !imageNamed(c.Get("image").Text(), "kube-router") {
			continue
		}
		at := c.Get("image") // without the flag its service proxy is on
		for a := range c.Get("args").Items() {
			if strings.HasPrefix(a.Text(), "--run-service-proxy") {
				at = a
			}
		}
		return dataplane.IPVS, at, !strings.HasSuffix(at.Text(), "=false")
	}
	return "", snapshot.Field{}, false
}

func kubeProxyMode(o *snapshot.Object) (dataplane.ProxyMode, snapshot.Field, bool) {
	if o.Ref.Name != "kube-proxy" {
		return "", snapshot.Field{}, false
	}
	config := o.Field("data", "config.conf")
	return configuredMode(config.Get("mode")), config.Get("mode"), config.Value.Kind == snapshot.Map
}

func proxyConfigMode(o *snapshot.Object) (dataplane.ProxyMode, snapshot.Field, bool) {
	return configuredMode(o.Field("mode")), o.Field("mode"), true
}

func configuredMode(f snapshot.Field) dataplane.ProxyMode {
	mode, err := dataplane.ParseProxyMode(f.Text())
	if err != nil {
		return dataplane.IPTables
	}
	return mode
}

// kubeProxyArgs reads --proxy-mode of a kube-proxy DaemonSet or static Pod; a
// kube-proxy whose flags were read and name no mode is not decided by that: it
// may read a configuration file.
func kubeProxyArgs(o *snapshot.Object) (dataplane.ProxyMode, snapshot.Field, bool) {
	path := []string{"spec", "template", "spec", "containers"}
	if o.Ref.Kind == snapshot.PodKind.Kind {
		path = []string{"spec", "containers"}
	}
	for c := range o.Field(path...).Items() {
		for _, list := range []string{"command", "args"} {
			if mode, at, ok := modeArg(c.Get(list)); ok {
				return mode, at, true
			}
		}
	}
	return "", snapshot.Field{}, false
}

func modeArg(list snapshot.Field) (dataplane.ProxyMode, snapshot.Field, bool) {
	next := false
	for a := range list.Items() {
		value, ok := strings.CutPrefix(a.Text(), "--proxy-mode=")
		if next {
			value, ok = a.Text(), true
		}
		if ok {
			mode, err := dataplane.ParseProxyMode(value)
			return mode, a, err == nil
		}
		next = a.Text() == "--proxy-mode"
	}
	return "", snapshot.Field{}, false
}

// nodeArgsIPVS comes before nodeArgsMode: each node of k3s and RKE2 has its own
// arguments, and one of many whose proxy binds addresses is enough.
func nodeArgsIPVS(o *snapshot.Object) (dataplane.ProxyMode, snapshot.Field, bool) {
	mode, at, ok := nodeArgsMode(o)
	return mode, at, ok && mode == dataplane.IPVS
}

// nodeArgsMode reads what k3s and RKE2 note on each Node: the arguments they
// were started with, as a JSON list. Without a mode there, their kube-proxy runs
// iptables.
func nodeArgsMode(o *snapshot.Object) (dataplane.ProxyMode, snapshot.Field, bool) {
	for _, key := range []string{"k3s.io/node-args", "rke2.io/node-args"} {
		at := o.Annotation(key)
		if !at.OK() || at.Value.Kind != snapshot.List {
			continue
		}
		for a := range at.Items() {
			if _, value, ok := strings.Cut(a.Text(), "proxy-mode="); ok {
				mode, err := dataplane.ParseProxyMode(value)
				return mode, a, err == nil
			}
			if a.Text() == "--disable-kube-proxy" || a.Text() == "--disable-kube-proxy=true" {
				return "", a, false
			}
		}
		return dataplane.IPTables, at, true
	}
	return "", snapshot.Field{}, false
}

func openshiftMode(o *snapshot.Object) (dataplane.ProxyMode, snapshot.Field, bool) {
	at := o.Field("spec", "defaultNetwork", "type")
	switch at.Text() {
	case "OVNKubernetes":
		return dataplane.EBPF, at, true // address and port only, in OVN's load balancers
	case "OpenShiftSDN":
		return dataplane.IPTables, at, true
	}
	return "", at, false
}

// proxyVersion takes kube-proxy's version from its image, else from what the
// Nodes say of themselves.
func (f *Facts) proxyVersion(s *snapshot.Snapshot) {
	for _, o := range s.Kind(DaemonSetKind) {
		for c := range o.Field("spec", "template", "spec", "containers").Items() {
			if f.versionFromImage(o, c.Get("image")) {
				return
			}
		}
	}
	for _, o := range s.Kind(snapshot.PodKind) {
		for c := range o.Field("spec", "containers").Items() {
			if f.versionFromImage(o, c.Get("image")) {
				return
			}
		}
	}
	f.versionFromNodes(s)
}

func (f *Facts) versionFromImage(o *snapshot.Object, image snapshot.Field) bool {
	if !imageNamed(image.Text(), "kube-proxy") && !imageNamed(image.Text(), "kube-proxy-"+arch(image.Text())) {
		return false
	}
	tag := image.Text()[strings.LastIndexByte(image.Text(), '/')+1:]
	v, ok := kubeproxy.ParseVersion(strings.TrimPrefix(tag, "kube-proxy:"))
	if ok {
		f.Version, f.VersionFrom = v, o.Ref.String()
		f.conclude("kube-proxy version", v.String(), o.Ref.String(), image.Origin())
	}
	return ok
}

// arch is the last part of an image's name: up to 1.12 each architecture had a
// name of its own, "kube-proxy-amd64:v1.10.2".
func arch(image string) string {
	name, _, _ := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	return name[strings.LastIndexByte(name, '-')+1:]
}

// versionFromNodes takes the oldest: which nodes bind depends on it, and during
// an upgrade both are there.
func (f *Facts) versionFromNodes(s *snapshot.Snapshot) {
	var oldest snapshot.Field
	var from string
	for _, o := range s.Kind(NodeKind) {
		for _, field := range []string{"kubeProxyVersion", "kubeletVersion"} {
			at := o.Field("status", "nodeInfo", field)
			v, ok := kubeproxy.ParseVersion(at.Text())
			if !ok {
				continue
			}
			if f.Version == (kubeproxy.Version{}) || !v.AtLeast(f.Version.Major, f.Version.Minor, f.Version.Patch) {
				f.Version, oldest, from = v, at, o.Ref.String()
			}
			break
		}
	}
	if from != "" {
		f.VersionFrom = from
		f.conclude("kube-proxy version", f.Version.String(), from, oldest.Origin())
	}
}
