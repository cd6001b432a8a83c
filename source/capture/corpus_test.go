// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"whohas/source/capture"
)

const nodes = "../../../shared/corpus/nodes"

// expected is what must be in a file of the corpus, as somebody reads it who looks.
func expected() map[string]string {
	return map[string]string{
		"k3s-2804_config-and-ip-addr.txt":                  "links 1 addresses 1",
		"k3s-7541_ifconfig-and-svc.txt":                    "links 1 addresses 1",
		"k8s-59156_ip-addr.txt":                            "links 2 addresses 5",
		"k8s-60305_ipvsadm-hostnames.txt":                  "ipvs 1",
		"k8s-80297_kube-proxy-log_ipv6-lb.txt":             "",
		"kube-vip-781_ipvsadm.txt":                         "ipvs 5",
		"opsnull-251_ipvsadm.txt":                          "ipvs 7",
		"ipvs_nodeport_192.168.56.102.txt":                 "ipvs 6",
		"local_table_ipvs_10.68.txt":                       "routes 5",
		"minikube_ipvs_node.txt":                           "links 1 addresses 3 ipvs 5 ipset 12",
		"nft_live_k3s.txt":                                 "nftables 1",
		"iptables-save_live_kubeadm_flannel_1.8.10.txt":    "iptables 3",
		"k8s-1.33.4_iptables_TestBadIPs_1.iptables-save":   "iptables 2",
		"k8s-1.33.4_nftables_TestTracePacketV6_1.nft-cmds": "",
	}
}

// TestCorpus reads texts of real nodes.
func TestCorpus(t *testing.T) {
	if _, err := os.Stat(nodes); err != nil {
		t.Skipf("NOT RUN: %v", err)
	}
	seen := 0
	err := filepath.WalkDir(nodes, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".source") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		hosts, coverage, err := capture.Parse(path, text)
		if (err == nil) != capture.Looks(text) {
			t.Errorf("%s: looks like a capture: %v, but %v", path, capture.Looks(text), err)
		}
		var got []string
		for _, c := range coverage {
			if rest, ok := strings.CutPrefix(c.Source, "host "); ok && c.Count > 0 {
				_, section, _ := strings.Cut(rest, " ")
				got = append(got, section+" "+itoa(c.Count))
			}
			t.Logf("%s: %+v", filepath.Base(path), c)
		}
		if want, ok := expected()[filepath.Base(path)]; ok {
			seen++
			if strings.Join(got, " ") != want || want != "" && len(hosts) != 1 {
				t.Errorf("%s: %v, want %s (%v)", filepath.Base(path), got, want, err)
			}
		}
		for _, h := range hosts {
			for _, a := range h.Addresses {
				if !strings.Contains(string(text), a.Prefix.Addr().String()) {
					t.Errorf("%s: made up: %v", path, a)
				}
			}
			for _, s := range h.Servers {
				if !strings.Contains(string(text), s.IP.String()) {
					t.Errorf("%s: made up: %v", path, s)
				}
			}
		}
		return nil
	})
	if err != nil || seen != len(expected()) {
		t.Errorf("%d of %d files seen: %v", seen, len(expected()), err)
	}
	if _, _, err := capture.Read(context.Background(), nodes); err != nil {
		t.Error(err)
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}
