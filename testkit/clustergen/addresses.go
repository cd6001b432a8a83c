// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"encoding/binary"
	"net/netip"
)

// The address plan. No two of these ranges meet:
//
//	10.0.0.0/16       Nodes, on even addresses; the control plane's virtual address
//	10.128.0.0/10     Pods, a /24 a Node; .1 of each is its tunl0
//	172.20.0.0/15     ServiceCIDR; the upper half is never allocated
//	172.24.0.0/13     load balancer pools, a /24 each; 172.30.0.0/15 for overlapping ones
//	198.51.100.0/24   external addresses, and 203.0.113.0/24, 192.0.2.0/24, 198.18.0.0/15
const (
	nodeSubnet    = "10.0.0.0/16"
	podSubnet     = "10.128.0.0/10"
	serviceSubnet = "172.20.0.0/15"

	maxNodes       = 16_000
	maxServices    = 65_000
	maxExternal    = 130_000
	maxPools       = 6 * 256
	maxLabPools    = 2 * 256
	podsPerNode    = 240
	poolAddresses  = 160 // of .16 to .175 in a pool's /24
	systemServices = 2
)

// ServiceCIDR is the range that the Services of every cluster are in: an apiserver that
// shall hold one must be told of it.
const ServiceCIDR = serviceSubnet

// at is the address n after first.
func at(first [4]byte, n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(first[:])+uint32(n))
	return netip.AddrFrom4(b)
}

// controlPlaneVIP is the controlPlaneEndpoint, held by a pair of load
// balancers outside the cluster.
func controlPlaneVIP() netip.Addr { return at([4]byte{10, 0, 255, 10}, 0) }

// nodeAddr keeps to even addresses, as if the odd ones were the nodes'
// management controllers: so a pool can hold one node and no other.
func nodeAddr(node int) netip.Addr {
	return at([4]byte{10, 0, 0, 2}, node/125*256+node%125*2)
}

func podCIDR(node int) netip.Prefix {
	return netip.PrefixFrom(at([4]byte{10, 128, 0, 0}, node*256), 24)
}

func tunnelAddr(node int) netip.Addr { return at([4]byte{10, 128, 0, 1}, node*256) }

// podAddr is the n-th Pod's on a Node.
func podAddr(node, n int) netip.Addr { return at([4]byte{10, 128, 0, 2}, node*256+n) }

// unusedPodAddr lies in the pod CIDR, in no Node's part of it.
func unusedPodAddr(n int) netip.Addr { return at([4]byte{10, 191, 7, 7}, n*3) }

// clusterIP scatters the Services over the lower half of the ServiceCIDR, as
// the API server does, and leaves the first 256 alone, as it does too.
func (f *Cluster) clusterIP(service int) netip.Addr {
	switch service {
	case 0:
		return at([4]byte{172, 20, 0, 1}, 0)
	case 1:
		return at([4]byte{172, 20, 0, 10}, 0)
	}
	const room = 65_280 // 7919 is prime to it: each Service gets another address
	return at([4]byte{172, 20, 1, 0}, (service*7919+int(f.draw(forCluster, 0)%room))%room)
}

// unusedClusterIP lies in the ServiceCIDR and belongs to no Service.
func unusedClusterIP(n int) netip.Addr { return at([4]byte{172, 21, 128, 20}, n*17) }

// externalAddr is the n-th public address, without network and broadcast
// addresses.
func externalAddr(n int) netip.Addr {
	block, host := n/254, n%254
	first := [...][4]byte{{198, 51, 100, 1}, {203, 0, 113, 1}, {192, 0, 2, 1}}
	if block < len(first) {
		return at(first[block], host)
	}
	return at([4]byte{198, 18, 0, 1}, (block-len(first))*256+host)
}

// poolBlock is the network a pool takes its addresses from.
func poolBlock(pool int) [4]byte { return at([4]byte{172, 24, 0, 0}, pool*256).As4() }

// labBlock is the network in which two pools overlap.
func labBlock(n int) [4]byte { return at([4]byte{172, 30, 0, 0}, n*256).As4() }

func span(from, to netip.Addr) string { return from.String() + "-" + to.String() }
