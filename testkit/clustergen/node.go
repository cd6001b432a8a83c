// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"strconv"
	"strings"
)

func (f *Cluster) nodeName(node int) string {
	number, prefix := node+1, "cp-0"
	if cp := f.size.controlPlanes(); node >= cp {
		number, prefix = 100_001+node-cp, "node-"
	}
	digits := strconv.Itoa(number)
	if prefix == "node-" {
		digits = digits[1:] // the leading 1 was there for the zeros
	}
	return prefix + digits
}

func (f *Cluster) nodeObject(node int) string { return "Node " + f.nodeName(node) }

func zone(node int) string { return [...]string{"zone-a", "zone-b", "zone-c"}[node%3] }

func (f *Cluster) writeNode(p *page, i int) {
	p.buf = f.forms.node.append(p.buf, func(b []byte, slot string) []byte {
		return f.fillNode(b, slot, i)
	})
}

func (f *Cluster) fillNode(b []byte, slot string, node int) []byte {
	draw := f.draw(forNode, node)
	switch slot {
	case "name":
		return append(b, f.nodeName(node)...)
	case "ip":
		return nodeAddr(node).AppendTo(b)
	case "tunnel":
		return tunnelAddr(node).AppendTo(b)
	case "podcidr":
		return podCIDR(node).AppendTo(b)
	case "zone":
		return append(b, zone(node)...)
	case "roleLabels":
		return f.appendRoleLabels(b, node)
	case "taints":
		return f.appendTaints(b, node)
	case "uid":
		return appendUID(b, draw)
	case "boot":
		return appendUID(b, draw+1)
	case "system":
		return appendUID(b, draw+2)
	case "machine":
		return appendHex(b, draw+3, 32)
	case "rv":
		return appendVersion(b, draw)
	case "created":
		return appendTime(b, draw, 0)
	case "started":
		return appendTime(b, draw, 40)
	case "ready":
		return appendTime(b, draw, 3600)
	}
	if image, ok := strings.CutPrefix(slot, "sum"); ok {
		return appendHex(b, f.draw(forImage, -1-int(image[0])), 64)
	}
	panic("node: no slot " + slot)
}

func (f *Cluster) appendRoleLabels(b []byte, node int) []byte {
	if node >= f.size.controlPlanes() {
		return b
	}
	const line = "\n                    "
	b = append(b, line+`"node-role.kubernetes.io/control-plane": "",`...)
	return append(b, line+`"node.kubernetes.io/exclude-from-external-load-balancers": "",`...)
}

// appendTaints keeps the applications off the control plane, unless there is
// nowhere else.
func (f *Cluster) appendTaints(b []byte, node int) []byte {
	if node >= f.size.controlPlanes() || f.size.workers() == 0 {
		return b
	}
	const line = "\n                "
	return append(b, ","+line+`"taints": [`+line+`    {`+line+`        "effect": "NoSchedule",`+
		line+`        "key": "node-role.kubernetes.io/control-plane"`+line+`    }`+line+`]`...)
}
