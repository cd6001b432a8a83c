// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/dataplane"
)

// id makes the number of a container.
func id(digit string) string { return strings.Repeat(digit, 64) }

// cachedResult has the form of libcni's cachedInfo (containernetworking/cni
// libcni/api.go); its config is bytes, which JSON has in base 64.
func cachedResult(container, netns, pod string, ips ...string) string {
	var list []string
	for _, ip := range ips {
		list = append(list, fmt.Sprintf(`{"interface":2,"address":%q,"gateway":"10.244.0.1"}`, ip))
	}
	return fmt.Sprintf(`{"kind":"cniCacheV1","containerId":%q,"config":"e30=","ifName":"eth0","networkName":"cbr0","netns":%q,`+
		`"cniArgs":[["IgnoreUnknown","1"],["K8S_POD_NAMESPACE","default"],["K8S_POD_NAME",%q]],`+
		`"result":{"cniVersion":"0.3.1","ips":[%s],"dns":{}}}`, container, netns, pod, strings.Join(list, ","))
}

// TestSandboxes reads files made by the documented forms.
func TestSandboxes(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"run/netns/cni-1": "",
		"var/lib/cni/results/cbr0-" + id("1") + "-eth0":                                       cachedResult(id("1"), "/var/run/netns/cni-1", "web-1", "10.244.0.11/24", "fd00::11/64"),
		"var/lib/cni/results/cni-loopback-" + id("1") + "-lo":                                 cachedResult(id("1"), "/var/run/netns/cni-1", "web-1", "127.0.0.1/8"),
		"var/lib/cni/results/cbr0-" + id("2") + "-eth0":                                       cachedResult(id("2"), "/var/run/netns/cni-2", "gone", "10.244.0.12/24"),
		"var/lib/cni/cache/results/k8s-pod-network-" + id("3") + "-eth0":                      `{"cniVersion":"0.2.0","ip4":{"ip":"10.244.0.13/32"},"dns":{}}`, // before 0.8
		"var/lib/dockershim/sandbox/" + id("3"):                                               `{"version":"v1","name":"db-0","namespace":"prod","data":{},"checksum":1}`,
		"var/lib/cni/networks/cbr0/10.244.0.11":                                               id("1") + "\r\neth0",
		"var/lib/cni/networks/cbr0/10.244.0.12":                                               id("2") + "\r\neth0",
		"var/lib/cni/networks/cbr0/10.244.0.14":                                               id("4"),
		"var/lib/cni/networks/cbr0/10.244.0.15":                                               id("5") + "\r\neth0",
		"var/lib/cni/networks/cbr0/10.244.0.9":                                                "../../../etc\r\neth0",
		"var/lib/cni/networks/cbr0/last_reserved_ip.0":                                        "10.244.0.15",
		"var/lib/cni/networks/cbr0/lock":                                                      "",
		"run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/" + id("5") + "/config.json": `{"process":{"env":["A=SECRET"]},"annotations":{"io.kubernetes.cri.sandbox-name":"job","io.kubernetes.cri.sandbox-namespace":"batch"}}`,
	} {
		write(t, root, name, text)
	}
	boxes, err := readSandboxes(context.Background(), place{root: root})
	var got []string
	for _, b := range boxes {
		got = append(got, fmt.Sprint(b.IP, " ", b.Namespace, "/", b.Name, " ", strings.Contains(b.From, "/results/")))
	}
	want := []string{
		"10.244.0.9 / false",
		"10.244.0.11 default/web-1 true",
		"10.244.0.13 prod/db-0 true",
		"10.244.0.14 / false",
		"10.244.0.15 batch/job false",
		"fd00::11 default/web-1 true",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestSandboxesFaults(t *testing.T) {
	root := t.TempDir()
	if got, err := readSandboxes(context.Background(), place{root: root}); got != nil || !errors.As(err, new(missing)) {
		t.Errorf("no folder: %v, %v", got, err)
	}
	if err := os.MkdirAll(filepath.Join(root, "var/lib/cni/networks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := readSandboxes(context.Background(), place{root: root}); got != nil || err != nil {
		t.Errorf("no Pods: %v, %v", got, err)
	}
	write(t, root, "var/lib/cni/results/a-"+id("1")+"-eth0", cachedResult(id("1"), "", "web", "10.244.0.11/24"))
	write(t, root, "var/lib/cni/results/a-"+id("2")+"-eth0", `{"kind":"cniCacheV1","result":SECRET`)
	got, err := readSandboxes(context.Background(), place{root: root})
	want := "/var/lib/cni/results/a-" + id("2") + "-eth0: no JSON of the form"
	if len(got) != 1 || !errors.As(err, new(partial)) || err.Error() != want {
		t.Errorf("%v, %v; want one, and %s", got, err, want)
	}
	asNobody(t, func() {
		closed := filepath.Join(root, "var/lib/cni/results")
		if err := os.Chmod(closed, 0); err != nil {
			t.Error(err)
		}
		defer os.Chmod(closed, 0o700)
		if got, err := readSandboxes(context.Background(), place{root: root}); len(got) != 0 || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v, %v; want no permission", got, err)
		}
	})
}

func TestSandboxesBounds(t *testing.T) {
	root := t.TempDir()
	for i := range sandboxLimit + 1 {
		write(t, root, fmt.Sprintf("var/lib/cni/networks/cbr0/10.244.%d.%d", i/256, i%256), "c")
	}
	got, err := readSandboxes(context.Background(), place{root: root})
	if len(got) != sandboxLimit || !errors.As(err, new(partial)) {
		t.Errorf("%d, %v", len(got), err)
	}
}

// FuzzSandboxes gives every reader every text.
func FuzzSandboxes(f *testing.F) {
	f.Add([]byte(cachedResult(id("1"), "/run/netns/x", "web", "10.0.0.1/24", "::ffff:10.0.0.2/96")))
	f.Add([]byte(`{"cniVersion":"0.2.0","ip4":{"ip":"10.244.0.13/32"},"ip6":{"ip":"fe80::1%eth0"}}`))
	f.Add([]byte(`{"annotations":{"io.kubernetes.cri.sandbox-name":"job"}}`))
	f.Add([]byte(`{"name":"db-0","namespace":"prod"}`))
	f.Add([]byte("abc\r\neth0"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseResult(text)
		for _, ip := range r.ips {
			if !ip.IsValid() || ip.Is4In6() || ip.Zone() != "" || ip.IsLoopback() || err != nil {
				t.Errorf("%v, %v", ip, err)
			}
		}
		parseBundle(text)
		parseCheckpoint(text)
		if c := parseReservation(text); len(c) > 256 || strings.Contains(c, "\n") {
			t.Errorf("container %q", c)
		}
		b := &boxes{at: place{root: t.TempDir()}, gone: map[string]bool{}, known: map[held]bool{}}
		if b.isGone(string(text)) {
			t.Error("gone, though there is no folder")
		}
		if err := b.reservation("/x/10.0.0.1", text); err == nil && (len(b.out) != 1 || b.out[0] != dataplane.Sandbox{IP: netip.MustParseAddr("10.0.0.1"), From: "/x/10.0.0.1"}) {
			t.Errorf("%+v", b.out)
		}
	})
}
