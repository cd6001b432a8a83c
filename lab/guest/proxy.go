// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"whohas/dataplane"
	"whohas/lab/testbed"
	"whohas/source/host"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// proxyFolder is where kube-proxy's files lie on a host.
const proxyFolder = "/etc/kubernetes/kube-proxy/"

// kubeProxy writes kube-proxy's configuration and says how it is started.
func (c *Cluster) kubeProxy(h *testbed.Host) (string, []string, error) {
	err := errors.Join(
		write(h, proxyFolder+"kubeconfig.conf", c.credentials.kubeconfig("system:kube-proxy", c.server(h))),
		write(h, proxyFolder+"config.conf", c.proxyConfig(h.Name)))
	return "/lab/" + c.plan.Proxy.Program(), []string{"--config=" + proxyFolder + "config.conf", "--v=2"}, err
}

// proxyConfig is kube-proxy's configuration. It leaves conntrack's sizes alone:
// they are the machine's, not a namespace's.
func (c *Cluster) proxyConfig(host string) string {
	p := c.plan.Proxy
	sync := p.SyncPeriod
	if sync == 0 {
		sync = 30 * time.Second // pkg/proxy/apis/config/v1alpha1/defaults.go, both eras
	}
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: %s
hostnameOverride: %q
clusterCIDR: %s
clientConnection: {kubeconfig: %skubeconfig.conf}
metricsBindAddress: 127.0.0.1:10249
healthzBindAddress: 0.0.0.0:10256
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
ipvs: {strictARP: %t, syncPeriod: %s}
`, p.Mode, host, podRange, proxyFolder, p.StrictARP, sync)
}

// InSync reports whether a host's kube-proxy has done its work: it runs in the
// mode that it was told, it has completed a sync, no restore has failed, and the
// Service default/kubernetes stands in the kernel. A run on anything less can
// look like the incident by accident.
func (c *Cluster) InSync(ctx context.Context, host string) error {
	h := c.testbed.Host(host)
	mode, err := c.ProxyMode(ctx, host)
	if err != nil {
		return err
	}
	if mode != string(c.plan.Proxy.Mode) {
		return fmt.Errorf("kube-proxy runs in mode %s, was told %s", mode, c.plan.Proxy.Mode)
	}
	metrics, err := get(ctx, h, "127.0.0.1:10249", "/metrics")
	if err != nil {
		return err
	}
	if failed := metric(metrics, "kubeproxy_sync_proxy_rules_iptables_restore_failures_total") +
		metric(metrics, "kubeproxy_sync_proxy_rules_nftables_sync_failures_total"); failed > 0 {
		return fmt.Errorf("kube-proxy could not load its rules %v times", failed)
	}
	if metric(metrics, "kubeproxy_sync_proxy_rules_last_timestamp_seconds") == 0 {
		return errors.New("kube-proxy has not completed a sync")
	}
	if log := c.Process("kube-proxy", host).Log(); strings.Contains(string(log), "Failed to execute iptables-restore") {
		return errors.New("kube-proxy's log tells of a failed iptables-restore")
	}
	return c.programmed(ctx, h)
}

// Busy reports whether a host's kube-proxy has learned of something that it has not
// programmed yet: a sync was asked for after the last one ended. One that does not
// run, or does not answer, is not busy.
func (c *Cluster) Busy(ctx context.Context, host string) bool {
	if x := c.Process("kube-proxy", host); x == nil || !x.Running() {
		return false
	}
	metrics, err := get(ctx, c.testbed.Host(host), "127.0.0.1:10249", "/metrics")
	return err == nil && metric(metrics, "kubeproxy_sync_proxy_rules_last_timestamp_seconds") < metric(metrics, "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds")
}

// programmed looks for the Service default/kubernetes in the kernel.
func (c *Cluster) programmed(ctx context.Context, h *testbed.Host) error {
	var command string
	var wants []string
	switch c.plan.Proxy.Mode {
	case "ipvs":
		if err := virtualServer(ctx, h); err != nil {
			return err
		}
		command = "iptables-save -t nat"
		// The rule of the ClusterIPs is written after them, and not by a first sync
		// that knew no Service yet: without it what the host itself sends to a
		// ClusterIP leaves with the ClusterIP as its source, and nobody answers
		// (kubernetes pkg/proxy/ipvs/proxier.go writeIptablesRules).
		wants = []string{"-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES", "--match-set KUBE-CLUSTER-IP "}
	case "iptables":
		command, wants = "iptables-save -t nat", []string{"-A KUBE-SERVICES -d " + kubernetesIP + "/32 -p tcp"}
	case "nftables":
		command, wants = "nft list map ip kube-proxy service-ips", []string{kubernetesIP + " . tcp . 443"}
	}
	out, err := h.Shell(ctx, command)
	if err != nil {
		return err
	}
	for _, want := range wants {
		if !strings.Contains(out, want) {
			return fmt.Errorf("%s on %s does not show %q", command, h.Name, want)
		}
	}
	return nil
}

// virtualServer looks for the Service default/kubernetes where ipvs mode puts it:
// among the virtual servers, in its ipset, and on kube-ipvs0.
func virtualServer(ctx context.Context, h *testbed.Host) error {
	needed := []string{host.IPVS, host.IPSet, host.Addresses, host.Links}
	skip := slices.DeleteFunc(host.Sections(), func(s string) bool { return slices.Contains(needed, s) })
	var now dataplane.Host
	if err := h.Do(func() error {
		now, _ = host.Read(ctx, host.Options{Name: h.Name, Skip: skip})
		return nil
	}); err != nil {
		return err
	}
	serves := slices.ContainsFunc(now.Servers, func(v dataplane.VirtualServer) bool {
		return v.IP.String() == kubernetesIP && v.Port == 443 && len(v.Servers) > 0
	})
	listed := slices.ContainsFunc(now.Sets, func(s dataplane.Set) bool {
		return s.Name == "KUBE-CLUSTER-IP" && slices.Contains(s.Members, kubernetesIP+",tcp:443")
	})
	bound := slices.ContainsFunc(now.Addresses, func(a dataplane.Address) bool {
		return a.Link == "kube-ipvs0" && a.Prefix.String() == kubernetesIP+"/32"
	})
	if !serves || !listed || !bound {
		return fmt.Errorf("%s has default/kubernetes in IPVS: %t, in its ipset: %t, on kube-ipvs0: %t", h.Name, serves, listed, bound)
	}
	return nil
}

// ProxyMode is what a host's kube-proxy says its mode is.
func (c *Cluster) ProxyMode(ctx context.Context, host string) (string, error) {
	mode, err := get(ctx, c.testbed.Host(host), "127.0.0.1:10249", "/proxyMode")
	return strings.TrimSpace(mode), err
}

// getLimit bounds one request to a component on its own host.
const getLimit = 5 * time.Second

// get asks a server from within a host.
func get(ctx context.Context, h *testbed.Host, server, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, getLimit)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = h.Do(func() error {
			var d net.Dialer
			conn, err = d.DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server+path, nil)
	if err != nil {
		return "", fmt.Errorf("get %s: %w", path, err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return "", fmt.Errorf("get %s: %w", path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return "", fmt.Errorf("get %s: %w", path, err)
	}
	return string(body), nil
}

// metric sums the samples of one name in Prometheus' text.
func metric(text, name string) float64 {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, _ := parser.TextToMetricFamilies(strings.NewReader(text)) // what is before a broken line is given
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		sum += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
	}
	return sum
}
