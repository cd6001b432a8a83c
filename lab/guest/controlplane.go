// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"whohas/lab/testbed"
)

// The ranges of the lab's clusters, and the port of their apiserver.
const (
	serviceRange = "10.96.0.0/16"
	podRange     = "10.244.0.0/16"
	kubernetesIP = "10.96.0.1" // the first of the service range: Service default/kubernetes
	apiPort      = 6443
)

// readyLimit is how long a component may take until it is ready, on a kernel
// with one slow processor, of a machine that has other things to do. One that dies
// is not waited for.
const readyLimit = 5 * time.Minute

// requestLimit bounds a request. A kernel that shares its processor with much else has
// been seen to take half a minute for one.
const requestLimit = 2 * time.Minute

// write puts a file on a host.
func write(h *testbed.Host, path, text string) error {
	full := filepath.Join(h.Root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// startControlPlane starts etcd, kube-apiserver and kube-controller-manager on
// one host and waits until the apiserver is ready.
func (c *Cluster) startControlPlane(ctx context.Context) error {
	h := c.testbed.Host(c.plan.ControlPlane)
	names := users(c.plan.Nodes)
	addrs := []netip.Addr{h.Address, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr(kubernetesIP)}
	if c.plan.VIP.IsValid() {
		addrs = append(addrs, c.plan.VIP)
	}
	var err error
	if c.credentials, err = newCredentials(addrs, names); err != nil {
		return err
	}
	for path, text := range map[string]string{
		"/etc/kubernetes/pki/apiserver.crt": string(c.credentials.certificate),
		"/etc/kubernetes/pki/apiserver.key": string(c.credentials.key),
		"/etc/kubernetes/pki/sa.key":        string(c.credentials.key),
		"/etc/kubernetes/tokens.csv":        c.credentials.tokenFile(names),
		"/etc/kubernetes/admin.conf":        c.credentials.kubeconfig("lab", fmt.Sprintf("127.0.0.1:%d", apiPort)),
		"/etc/kubernetes/controller.conf":   c.credentials.kubeconfig("system:kube-controller-manager", fmt.Sprintf("127.0.0.1:%d", apiPort)),
	} {
		if err := write(h, path, text); err != nil {
			return err
		}
	}
	if err := c.Start("etcd", h.Name); err != nil {
		return err
	}
	err = c.await(ctx, "etcd", h.Name, func(ctx context.Context) error {
		_, err := get(ctx, h, "127.0.0.1:2379", "/health")
		return err
	})
	if err != nil {
		return err
	}
	if err := c.Start("kube-apiserver", h.Name); err != nil {
		return err
	}
	if err := c.connect(h); err != nil {
		return err
	}
	if err := c.await(ctx, "kube-apiserver", h.Name, c.apiReady); err != nil {
		return err
	}
	return c.Start("kube-controller-manager", h.Name)
}

func etcdArgs() []string {
	return []string{
		"--data-dir=/var/lib/etcd", "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync", "--log-level=warn",
		"--heartbeat-interval=500", "--election-timeout=5000", // it has nobody to elect, and each beat costs
	}
}

func apiserverArgs(h *testbed.Host) []string {
	const pki = "/etc/kubernetes/pki/"
	return []string{
		"--etcd-servers=http://127.0.0.1:2379", "--bind-address=0.0.0.0", fmt.Sprintf("--secure-port=%d", apiPort),
		"--advertise-address=" + h.Address.String(), "--service-cluster-ip-range=" + serviceRange,
		"--tls-cert-file=" + pki + "apiserver.crt", "--tls-private-key-file=" + pki + "apiserver.key",
		"--token-auth-file=/etc/kubernetes/tokens.csv", "--authorization-mode=AlwaysAllow", "--runtime-config=api/all=false,v1=true,coordination.k8s.io/v1=true,discovery.k8s.io/v1=true,events.k8s.io/v1=true,storage.k8s.io/v1=true,node.k8s.io/v1=true,scheduling.k8s.io/v1=true,networking.k8s.io/v1=true,apps/v1=true,admissionregistration.k8s.io/v1=true,rbac.authorization.k8s.io/v1=true,batch/v1=true,policy/v1=true,resource.k8s.io/v1=true,certificates.k8s.io/v1=true,authentication.k8s.io/v1=true,authorization.k8s.io/v1=true,autoscaling/v2=true,apiregistration.k8s.io/v1=true,apiextensions.k8s.io/v1=true",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + pki + "sa.key",
		"--service-account-signing-key-file=" + pki + "sa.key", "--profiling=false", "--enable-priority-and-fairness=false",
	}
}

func (c *Cluster) controllerArgs() []string {
	args := []string{
		"--kubeconfig=/etc/kubernetes/controller.conf", "--leader-elect=false", "--profiling=false",
		"--controllers=node-lifecycle-controller,endpointslice-controller",
	}
	if c.plan.Grace > 0 {
		args = append(args, "--node-monitor-grace-period="+c.plan.Grace.String(), "--node-monitor-period=2s")
	}
	return args
}

// connect makes the lab's own client, whose connections come from the control
// plane's host: whatever befalls the network, it is next to the apiserver.
func (c *Cluster) connect(h *testbed.Host) error {
	config := &rest.Config{
		Host: fmt.Sprintf("https://127.0.0.1:%d", apiPort), BearerToken: c.credentials.tokens["lab"],
		TLSClientConfig: rest.TLSClientConfig{CAData: c.credentials.certificate}, QPS: 100, Burst: 200, Timeout: requestLimit,
		Dial: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			err = h.Do(func() error {
				var d net.Dialer
				conn, err = d.DialContext(ctx, network, address)
				return err
			})
			return conn, err
		},
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	c.Client, c.Config = client, config
	return nil
}

func (c *Cluster) apiReady(ctx context.Context) error {
	_, err := c.Client.Resource(Services).Namespace("default").Get(ctx, "kubernetes", metav1.GetOptions{})
	return err
}
