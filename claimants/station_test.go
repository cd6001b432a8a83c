// SPDX-License-Identifier: Apache-2.0

package claimants

const toldHost = `{"name": "n1", "links": [{"index": 1, "name": "lo"}, {"index": 2, "name": "eth0"}, {"index": 3, "name": "tunl0", "kind": "ipip"},
  {"index": 4, "name": "vxlan.calico", "kind": "vxlan"}, {"index": 5, "name": "gre1", "kind": "gre", "remote": "10.9.0.1"}],
 "addresses": [{"link": "eth0", "prefix": "192.168.10.115/24"}],
 "told": [
  {"what": "apiserver", "for": "kubelet", "host": "192.168.10.114", "ip": "192.168.10.114", "port": 6443, "file": "/etc/kubernetes/kubelet.conf", "line": 5},
  {"what": "apiserver", "for": "kube-proxy", "host": "127.0.0.1", "ip": "127.0.0.1", "port": 6443, "file": "/etc/kubernetes/kube-proxy.conf"},
  {"what": "apiserver", "for": "kubectl", "host": "api.example", "port": 6443, "file": "/etc/kubernetes/admin.conf"},
  {"what": "control-plane", "host": "192.168.10.200", "ip": "192.168.10.200", "file": "/etc/kubernetes/manifests/kube-vip.yaml"},
  {"what": "etcd", "host": "192.168.10.116", "ip": "192.168.10.116", "port": 2379, "file": "/etc/kubernetes/manifests/kube-apiserver.yaml", "line": 17},
  {"what": "etcd", "host": "localhost", "file": "/etc/kubernetes/manifests/kube-apiserver.yaml"},
  {"what": "resolver", "host": "192.168.10.2", "ip": "192.168.10.2", "port": 53, "file": "/etc/resolv.conf", "line": 1},
  {"what": "resolver", "host": "127.0.0.53", "ip": "127.0.0.53", "file": "/etc/resolv.conf"}],
 "sessions": [{"name": "Mesh_1", "speaker": "bird", "peer": "192.168.10.114", "state": "Active"}, {"name": "Local", "speaker": "bird", "peer": "127.0.0.1"},
  {"name": "Own", "speaker": "bird", "peer": "192.168.10.115"}],
 "neighbours": [{"link": "vxlan.calico", "ip": "192.168.10.116", "mac": "66:aa:00:00:00:01", "forward": true}, {"link": "eth0", "ip": "192.168.10.117"}],
 "routes": [{"table": 254, "type": "unicast", "to": "10.244.1.0/24", "via": "192.168.10.114", "link": "tunl0", "onlink": true},
  {"table": 254, "type": "unicast", "to": "10.244.2.0/24", "via": "10.244.2.0", "link": "vxlan.calico", "onlink": true},
  {"table": 254, "type": "unicast", "to": "10.244.3.0/24", "via": "192.168.10.118", "link": "eth0"}],
 "echoes": [{"ip": "192.168.10.114", "link": "eth0", "sent": 2, "macs": ["52:54:00:00:00:01", "52:54:00:00:00:03"]}, {"ip": "192.168.10.9", "link": "eth0", "sent": 2}]}`

var stationScenes = []scene{
	{"a kubeconfig and a virtual IP's static Pod; loopback and a name claim nothing", "host.server", toldHost, []string{
		`controlplane 192.168.10.114 6443/TCP for ControlPlane apiserver`,
		`controlplane 192.168.10.200 for ControlPlane apiserver`,
	}},
	{"a host that was told nothing", "host.server", bare, nil},
	{"another's etcd", "host.etcd", toldHost, []string{`reserved 192.168.10.116 2379/TCP for Reserved etcd`}},
	{"a host that was told of no etcd", "host.etcd", bare, nil},
	{"a name server", "host.resolver", toldHost, []string{`reserved 192.168.10.2 53/TCP for Reserved resolver`}},
	{"systemd-resolved's", "host.resolver", `{"name": "n1", "told": [{"what": "resolver", "host": "127.0.0.53", "ip": "127.0.0.53", "file": "/etc/resolv.conf"}]}`, nil},
	{"a neighbour, and not the host itself", "host.bgpPeer", toldHost, []string{`reserved 192.168.10.114 for Reserved bgp`}},
	{"a session without an address", "host.bgpPeer", `{"name": "n1", "sessions": [{"name": "dynamic", "speaker": "bird"}]}`, nil},
	{"a device's far end, a forwarding database's, an IPIP route's; not a VXLAN route's", "kernel.tunnelPeer", toldHost, []string{
		`reserved 10.9.0.1 for Reserved tunnel`,
		`reserved 192.168.10.114 for Reserved tunnel`,
		`reserved 192.168.10.116 for Reserved tunnel`,
	}},
	{"a plain route", "kernel.tunnelPeer", onHost(`{"index": 2, "name": "eth0"}`,
		`"routes": [{"table": 254, "type": "unicast", "to": "10.244.3.0/24", "via": "192.168.10.118", "link": "eth0", "onlink": true}]`), nil},
	{"routes to Pods without a tunnel", "kernel.nextHop", onHost(`{"index": 2, "name": "eth0"}, {"index": 3, "name": "tunl0", "kind": "ipip"}`,
		`"addresses": [{"link": "eth0", "prefix": "192.168.10.115/24"}],
		 "routes": [{"table": 254, "type": "unicast", "to": "0.0.0.0/0", "via": "192.168.10.1", "link": "eth0"},
		  {"table": 254, "type": "unicast", "to": "10.244.1.0/24", "via": "192.168.10.114", "link": "eth0"}, {"table": 254, "type": "unicast", "to": "10.244.2.0/24", "via": "192.168.10.114", "link": "eth0"},
		  {"table": 254, "type": "unicast", "to": "10.244.3.0/24", "via": "192.168.10.116", "link": "tunl0", "onlink": true},
		  {"table": 254, "type": "unicast", "to": "10.244.4.0/24", "via": "192.168.10.115", "link": "eth0"},
		  {"table": 100, "type": "unicast", "to": "10.9.0.0/24", "via": "192.168.10.9", "link": "eth0"},
		  {"table": 254, "type": "unicast", "to": "10.8.0.0/24", "via": "169.254.1.1", "link": "eth0", "onlink": true},
		  {"table": 254, "type": "unicast", "to": "192.168.10.0/24", "link": "eth0"}]`), []string{`reserved 192.168.10.114 for Reserved next hop`}},
	{"the default route alone", "kernel.nextHop", onHost(`{"index": 2, "name": "eth0"}`,
		`"addresses": [{"link": "eth0", "prefix": "192.168.10.115/24"}], "routes": [{"table": 254, "type": "unicast", "to": "0.0.0.0/0", "via": "192.168.10.1", "link": "eth0"}]`), nil},
	{"two who answer", "wire.answer", toldHost, []string{`observed 192.168.10.114 "52:54:00:00:00:01, 52:54:00:00:00:03" for Node n1`}},
	{"silence", "wire.answer", `{"name": "n1", "echoes": [{"ip": "192.168.10.9", "link": "eth0", "sent": 2}]}`, nil},
}
