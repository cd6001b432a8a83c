// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"

	"whohas/dataplane"
)

// configuredLimit bounds the entries.
const configuredLimit = 500

// readConfigured collects what files of the host, and the flags of its agents, say where
// servers are. Names are not looked up but in /etc/hosts. Certificates, keys and
// tokens of those files are never kept. A file that cannot be read or understood
// costs only itself: the error tells of it beside the entries. Files of which
// nothing but permission was missing make it wrap fs.ErrPermission.
func readConfigured(ctx context.Context, at place, agents []dataplane.Agent) ([]dataplane.ConfiguredServer, error) {
	t := &collector{ctx: ctx, at: at}
	if text, err := readCapped(at.root, "/etc/hosts"); err == nil {
		t.names = parseHosts(text)
	} else if !noFile(err) {
		t.fail(fmt.Errorf("/etc/hosts: %w", bareCause(err)))
	}
	for _, s := range places() {
		t.read(s)
	}
	t.readResolvers()
	for _, a := range agents {
		t.readAgent(a)
	}
	if ctx.Err() != nil {
		t.fail(ctx.Err())
	}
	return t.done()
}

// configFile is files of one form.
type configFile struct {
	pattern string
	who     func(file string) string // is told; of the file's whole name
	parse   func(text []byte, who string) ([]mention, error)
}

// mention is a server as a file writes it.
type mention struct {
	what, who string
	host      string
	port      uint16
	line      int
}

// places lists where distributions write down servers.
func places() []configFile {
	is := func(who string) func(string) string { return func(string) string { return who } }
	out := []configFile{
		// kubeadm, and kubespray over it (kubernetes cmd/kubeadm/app/constants/constants.go).
		{"/etc/kubernetes/kubelet.conf", is("kubelet"), parseKubeconfig},
		{"/etc/kubernetes/bootstrap-kubelet.conf", is("kubelet"), parseKubeconfig},
		{"/etc/kubernetes/admin.conf", is("kubectl"), parseKubeconfig},
		{"/etc/kubernetes/super-admin.conf", is("kubectl"), parseKubeconfig},
		{"/etc/kubernetes/controller-manager.conf", is("kube-controller-manager"), parseKubeconfig},
		{"/etc/kubernetes/scheduler.conf", is("kube-scheduler"), parseKubeconfig},
		{"/etc/kubernetes/kube-proxy/kubeconfig.conf", is("kube-proxy"), parseKubeconfig},
		// kubeadm's ConfigMap kube-proxy, as the kubelet mounts it (kubernetes
		// cmd/kubeadm/app/phases/addons/proxy/manifests.go, pkg/volume/configmap).
		{"/var/lib/kubelet/pods/*/volumes/kubernetes.io~configmap/*/kubeconfig.conf", is("kube-proxy"), parseKubeconfig},
		// RKE1.
		{"/etc/kubernetes/ssl/kubecfg-kube-*.yaml", rkeWho, parseKubeconfig},
		// MicroK8s (microk8s.io/docs/configuring-services). Its workers reach the
		// apiservers through a proxy, Traefik up to 1.24.
		{"/var/snap/microk8s/current/credentials/*.config", credentialWho, parseKubeconfig},
		{"/var/snap/microk8s/current/args/*", path.Base, parseArgs},
		{"/var/snap/microk8s/current/args/apiserver-proxy-config", is("apiserver-proxy"), parseEndpoints},
		{"/var/snap/microk8s/current/args/traefik/provider.yaml", is("traefik"), parseEndpoints},
		// kubespray's loadbalancer on each node (roles/kubernetes/node/templates/loadbalancer).
		{"/etc/nginx/nginx.conf", is("nginx"), parseNginx},
		{"/etc/haproxy/haproxy.cfg", is("haproxy"), parseHAProxy},
		// Time servers (man 5 chrony.conf, man 5 ntp.conf, man 5 timesyncd.conf), where
		// Debian's and Red Hat's packages look.
		{"/etc/chrony.conf", is("chronyd"), parseNTP},
		{"/etc/chrony/chrony.conf", is("chronyd"), parseNTP},
		{"/etc/chrony/conf.d/*.conf", is("chronyd"), parseNTP},
		{"/etc/chrony/sources.d/*.sources", is("chronyd"), parseNTP},
		{"/etc/chrony.d/*.conf", is("chronyd"), parseNTP},
		{"/etc/ntp.conf", is("ntpd"), parseNTP},
		{"/etc/ntpsec/ntp.conf", is("ntpd"), parseNTP},
		{"/etc/systemd/timesyncd.conf", is("systemd-timesyncd"), parseNTP},
		{"/etc/systemd/timesyncd.conf.d/*.conf", is("systemd-timesyncd"), parseNTP},
		// Static Pods: the kubelet reads every file without a dot in front (kubernetes
		// pkg/kubelet/config/file.go extractFromDir).
		{"/etc/kubernetes/manifests/[^.]*", is(""), parsePod},
		{"/var/lib/rancher/rke2/agent/pod-manifests/[^.]*", is(""), parsePod},
	}
	for _, name := range []string{"k3s", "rke2"} { // one program's two builds
		out = append(out,
			configFile{"/var/lib/rancher/" + name + "/agent/*.kubeconfig", credentialWho, parseKubeconfig},
			configFile{"/etc/rancher/" + name + "/" + name + ".yaml", is("kubectl"), parseKubeconfig},
			configFile{"/etc/rancher/" + name + "/config.yaml", is(name), parseServer},
			configFile{"/etc/rancher/" + name + "/config.yaml.d/*.yaml", is(name), parseServer},
			configFile{"/var/lib/rancher/" + name + "/agent/etc/*-load-balancer.json", path.Base, parseBalancer})
	}
	for _, file := range []string{"/etc/systemd/system/k3s-agent.service.env", "/etc/systemd/system/k3s.service.env",
		"/usr/local/lib/systemd/system/rke2-agent.env", "/usr/local/lib/systemd/system/rke2-server.env"} {
		out = append(out, configFile{file, is(""), parseEnvironment})
	}
	return out
}

// rkeWho: kubecfg-kube-node.yaml is the kubelet's.
func rkeWho(file string) string {
	name := strings.TrimSuffix(strings.TrimPrefix(path.Base(file), "kubecfg-"), ".yaml")
	if name == "kube-node" {
		return "kubelet"
	}
	return name
}

// credentialWho tells whose credentials a file has by its name.
func credentialWho(file string) string {
	name := strings.TrimSuffix(path.Base(file), path.Ext(file))
	switch name {
	case "proxy", "kubeproxy":
		return "kube-proxy"
	case "controller":
		return "kube-controller-manager"
	case "scheduler":
		return "kube-scheduler"
	case "client":
		return "kubectl"
	}
	return name
}

// collector collects.
type collector struct {
	ctx    context.Context
	at     place
	names  map[string]netip.Addr
	out    []dataplane.ConfiguredServer
	failed error // the first that is not about permission
	denied error // the first that is
	lost   int
}

func (c *collector) fail(err error) {
	switch {
	case errors.Is(err, fs.ErrPermission):
		c.denied = cmp.Or(c.denied, err)
	default:
		c.failed = cmp.Or(c.failed, err)
	}
	c.lost++
}

func (c *collector) done() ([]dataplane.ConfiguredServer, error) {
	slices.SortFunc(c.out, func(a, b dataplane.ConfiguredServer) int {
		return cmp.Or(strings.Compare(a.What, b.What), strings.Compare(a.For, b.For), strings.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port),
			strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	c.out = slices.Compact(c.out)
	if len(c.out) > configuredLimit {
		c.out = c.out[:configuredLimit]
		c.fail(fmt.Errorf("more than %d entries", configuredLimit))
	}
	switch {
	case c.failed != nil && c.lost > 1:
		return c.out, partial{fmt.Sprintf("%d not read: %v", c.lost, c.failed)}
	case c.failed != nil:
		return c.out, partial{c.failed.Error()}
	}
	return c.out, c.denied
}

// read reads the files of a source; those that are not there say nothing.
func (c *collector) read(s configFile) {
	files, err := c.at.glob(s.pattern)
	if err != nil {
		c.fail(fmt.Errorf("%s: %w", s.pattern, bareCause(err)))
	}
	for _, file := range files {
		c.file(file, s.who(file), s.parse)
	}
}

func (c *collector) file(file, who string, parse func([]byte, string) ([]mention, error)) {
	if c.ctx.Err() != nil {
		return // readTold says so
	}
	text, err := readCapped(c.at.root, file)
	switch {
	case noFile(err):
		return
	case err != nil:
		c.fail(fmt.Errorf("%s: %w", file, bareCause(err)))
		return
	}
	mentions, err := parse(text, who)
	if err != nil {
		c.fail(fmt.Errorf("%s: %w", file, err))
	}
	c.add(file, mentions)
}

// bareCause leaves the name out, which is written before it as the host's programs see
// the file.
func bareCause(err error) error {
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		return wrapped.Err
	}
	return err
}

// add keeps mentions, with the address of a name that /etc/hosts has.
func (c *collector) add(file string, mentions []mention) {
	for _, m := range mentions {
		ip, err := netip.ParseAddr(m.host)
		if err != nil {
			ip = c.names[strings.ToLower(m.host)]
		}
		c.out = append(c.out, dataplane.ConfiguredServer{What: m.what, For: m.who, Host: m.host, IP: ip.Unmap().WithZone(""), Port: m.port, File: file, Line: m.line})
	}
}

// readResolvers reads resolv.conf, and behind systemd-resolved's stub also whom that
// asks (man 8 systemd-resolved.service).
func (c *collector) readResolvers() {
	before := len(c.out)
	c.file("/etc/resolv.conf", "", parseResolvers)
	stub := netip.AddrFrom4([4]byte{127, 0, 0, 53})
	if slices.ContainsFunc(c.out[before:], func(w dataplane.ConfiguredServer) bool { return w.IP == stub }) {
		c.file("/run/systemd/resolve/resolv.conf", "", parseResolvers)
	}
}

// readAgent reads what an agent's command line says, and the kubeconfigs that it
// names, where the host has them under the same name: an agent in a container may
// see another file.
func (c *collector) readAgent(a dataplane.Agent) {
	for _, name := range []string{"server", "master", "etcd-servers", "initial-cluster", "advertise-address"} {
		value, ok := a.Flags[name]
		if !ok {
			continue
		}
		mentions, err := flagMentions(a.Name, flag{name: name, value: value}, 0)
		if err != nil {
			c.fail(fmt.Errorf("%s of %s: %w", name, a.Name, err))
		}
		c.add("command line of "+a.Name, mentions)
	}
	for _, name := range []string{"kubeconfig", "bootstrap-kubeconfig"} {
		if file := a.Flags[name]; path.IsAbs(file) {
			c.file(path.Clean(file), a.Name, parseKubeconfig)
		}
	}
}
