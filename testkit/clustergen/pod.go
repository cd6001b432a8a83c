// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"net/netip"
	"sort"
	"strconv"
	"strings"
)

// pod is what the address plan says of one Pod.
type pod struct {
	number, nth int // in the cluster, in its workload
	of          int // the workload
	namespace   string
	name        string
	node        int
	ip          netip.Addr
}

func (p pod) object() string { return "Pod " + p.namespace + "/" + p.name }

// pod works out the i-th Pod without those before it.
func (f *Cluster) pod(i int) pod {
	of := sort.Search(len(f.workloads), func(n int) bool { return f.workloads[n].first > i }) - 1
	w := &f.workloads[of]
	p := pod{number: i, nth: i - w.first, of: of, namespace: w.namespace}
	if w.hostNetwork() {
		p.node = p.nth
		p.ip = nodeAddr(p.node)
	} else {
		n := w.onPodNetwork + p.nth
		p.node = f.size.podNode(n % f.size.podNodes())
		p.ip = podAddr(p.node, n/f.size.podNodes())
	}
	p.name = f.podName(w, p)
	return p
}

func (f *Cluster) podName(w *workload, p pod) string {
	b := append(make([]byte, 0, 64), w.name...)
	b = append(b, '-')
	switch w.owner {
	case statefulSet:
		return string(strconv.AppendInt(b, int64(p.nth), 10))
	case staticPods:
		return string(append(b, f.nodeName(p.node)...))
	case deployment:
		b = f.appendTemplateHash(b, p.of)
		b = append(b, '-')
	}
	return string(appendSuffix(b, f.draw(forWorkload, p.of), p.nth))
}

// appendTemplateHash adds what distinguishes a workload's ReplicaSet or
// revision.
func (f *Cluster) appendTemplateHash(b []byte, workload int) []byte {
	b = appendSuffix(b, f.draw(forWorkload, workload)>>20, 1)
	return appendSuffix(b, f.draw(forWorkload, workload)>>24, 2)
}

func (f *Cluster) writePod(p *page, i int) {
	each := f.pod(i)
	w := &f.workloads[each.of]
	p.buf = w.form.append(p.buf, func(b []byte, slot string) []byte {
		return f.fillPod(b, slot, w, &each)
	})
}

func (f *Cluster) fillPod(b []byte, slot string, w *workload, p *pod) []byte {
	switch slot {
	case "namespace":
		return append(b, p.namespace...)
	case "name":
		return append(b, p.name...)
	case "app":
		return append(b, w.name...)
	case "owner":
		return f.appendOwner(b, w, p)
	case "hash":
		return f.appendTemplateHash(b, p.of)
	case "ordinal":
		return strconv.AppendInt(b, int64(p.nth), 10)
	case "node":
		return append(b, f.nodeName(p.node)...)
	case "nodeip":
		return nodeAddr(p.node).AppendTo(b)
	case "podip":
		return p.ip.AppendTo(b)
	case "image":
		return append(b, w.image...)
	case "repo":
		return append(b, w.repository()...)
	case "version":
		return append(b, w.image[strings.IndexByte(w.image, ':')+1:]...)
	case "team":
		return append(b, w.repository()[strings.IndexByte(w.image, '/')+1:strings.LastIndexByte(w.repository(), '/')]...)
	case "port":
		return strconv.AppendInt(b, int64(w.port), 10)
	case "flags":
		return f.appendFlags(b, w, p)
	}
	return f.fillPodIdentity(b, slot, p)
}

// fillPodIdentity fills what is random or counted up by the cluster.
func (f *Cluster) fillPodIdentity(b []byte, slot string, p *pod) []byte {
	draw := f.draw(forPod, p.number)
	switch slot {
	case "uid":
		return appendUID(b, draw)
	case "owneruid":
		return appendUID(b, f.draw(forWorkload, p.of))
	case "nodeuid":
		return appendUID(b, f.draw(forNode, p.node))
	case "rv":
		return appendVersion(b, draw)
	case "created":
		return appendTime(b, draw, 0)
	case "started":
		return appendTime(b, draw, 4)
	case "ready":
		return appendTime(b, draw, 15)
	case "sandbox":
		return appendHex(b, draw+1, 64)
	case "cid":
		return appendHex(b, draw+2, 64)
	case "config32":
		return appendHex(b, draw+3, 32)
	case "imagesum":
		return appendHex(b, f.draw(forImage, p.of), 64)
	case "token":
		return appendSuffix(b, draw, 0)
	}
	panic("pod: no slot " + slot)
}

func (f *Cluster) appendOwner(b []byte, w *workload, p *pod) []byte {
	b = append(b, w.name...)
	if w.owner != deployment {
		return b
	}
	return f.appendTemplateHash(append(b, '-'), p.of)
}

// appendFlags adds a command's flags, each on a line of its own in an array
// that the template has begun.
func (f *Cluster) appendFlags(b []byte, w *workload, p *pod) []byte {
	for i, flag := range w.flags {
		if i > 0 {
			b = append(b, "\",\n                            \""...)
		}
		b = append(b, strings.ReplaceAll(flag, "${nodeip}", nodeAddr(p.node).String())...)
	}
	return b
}
