// SPDX-License-Identifier: Apache-2.0

package claimants

var nodeScenes = []scene{
	{"both families", "flannel.publicIP", annotatedNode, []string{"host 10.0.0.1 for Node n1", "host fd00::1 for Node n1"}},
	{"IPv6 only", "flannel.publicIP", `
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations: {flannel.alpha.coreos.com/public-ip: 0.0.0.0}
`, nil},
	{"k3s and RKE2", "k3s.nodeIP", annotatedNode, []string{
		"host 10.0.0.1 for Node n1", "host 10.0.0.2 for Node n1", "host 203.0.113.1 for Node n1", "host fd00::1 for Node n1",
	}},
	{"the host's name", "k3s.nodeIP", `
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations: {k3s.io/hostname: n1, k3s.io/internal-ip: ""}
`, nil},
	{"inside and outside", "rke.nodeIP", annotatedNode, []string{"host 10.0.0.3 for Node n1", "host 203.0.113.3 for Node n1"}},
	{"none", "rke.nodeIP", bareNodeText, nil},
}

const annotatedNode = `
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations:
    flannel.alpha.coreos.com/public-ip: 10.0.0.1
    flannel.alpha.coreos.com/public-ipv6: fd00::1
    flannel.alpha.coreos.com/backend-data: '{"VNI":1,"VtepMAC":"aa:bb:cc:dd:ee:ff"}'
    k3s.io/internal-ip: 10.0.0.1,fd00::1
    k3s.io/external-ip: 203.0.113.1
    rke2.io/internal-ip: 10.0.0.2
    rke.cattle.io/internal-ip: 10.0.0.3
    rke.cattle.io/external-ip: 203.0.113.3
`
