// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"fmt"
	"slices"
	"strings"
)

// owner is what keeps the Pods of a workload.
type owner int

const (
	deployment owner = iota
	statefulSet
	daemonSet
	staticPods
)

// workload is a set of equal Pods, numbered first to first+count-1.
type workload struct {
	namespace, name, image string
	owner                  owner
	form                   *form
	port                   int
	flags                  []string
	first, count           int
	onPodNetwork           int // how many Pods of the pod network come before the first
}

// repository is the image without its tag.
func (w workload) repository() string {
	repo, _, _ := strings.Cut(w.image, ":")
	return repo
}

// hostNetwork reports whether the Pods have the address of their Node.
func (w workload) hostNetwork() bool { return w.owner == daemonSet || w.owner == staticPods }

const (
	kubeVersion            = "v1.34.4"
	systemPodsOnPodNetwork = 4
)

// systemPods counts what runs the cluster itself.
func (s Size) systemPods() int {
	return 3*s.Nodes + 4*s.controlPlanes() + systemPodsOnPodNetwork
}

// systemWorkloads are in the order of their namespaces and names.
func (f *Cluster) systemWorkloads() []workload {
	n, cp := f.size.Nodes, f.size.controlPlanes()
	static := func(name, image string, port int, flags ...string) workload {
		return workload{namespace: "kube-system", name: name, image: image, owner: staticPods, form: &f.forms.podStatic, port: port, flags: flags, count: cp}
	}
	daemon := func(namespace, name, image string, form *form) workload {
		return workload{namespace: namespace, name: name, image: image, owner: daemonSet, form: form, count: n}
	}
	kube := func(name string) string { return "registry.k8s.io/" + name + ":" + kubeVersion }
	return []workload{
		{namespace: "kube-system", name: "calico-kube-controllers", image: "docker.io/calico/kube-controllers:v3.31.0", form: &f.forms.podWeb, port: 9094, count: 1},
		daemon("kube-system", "calico-node", "docker.io/calico/node:v3.31.0", &f.forms.podCalico),
		{namespace: "kube-system", name: "coredns", image: "registry.k8s.io/coredns/coredns:v1.12.1", form: &f.forms.podWeb, port: 53, count: 2},
		static("etcd", "registry.k8s.io/etcd:3.6.5-0", 2381, "--listen-client-urls=https://127.0.0.1:2379,https://${nodeip}:2379", "--listen-peer-urls=https://${nodeip}:2380"),
		static("kube-apiserver", kube("kube-apiserver"), 6443, "--advertise-address=${nodeip}", "--secure-port=6443", "--service-cluster-ip-range="+serviceSubnet),
		static("kube-controller-manager", kube("kube-controller-manager"), 10257, "--allocate-node-cidrs=true", "--cluster-cidr="+podSubnet, "--service-cluster-ip-range="+serviceSubnet),
		daemon("kube-system", "kube-proxy", kube("kube-proxy"), &f.forms.podKubeProxy),
		static("kube-scheduler", kube("kube-scheduler"), 10259, "--bind-address=127.0.0.1"),
		{namespace: "metallb-system", name: "controller", image: "quay.io/metallb/controller:v0.15.2", form: &f.forms.podWeb, port: 7472, count: 1},
		daemon("metallb-system", "speaker", "quay.io/metallb/speaker:v0.15.2", &f.forms.podSpeaker),
	}
}

// daemons numbers the workloads that are DaemonSets.
func (f *Cluster) daemons() []int {
	var all []int
	for i, w := range f.workloads {
		if w.owner == daemonSet {
			all = append(all, i)
		}
	}
	return all
}

// layWorkloads makes one workload for each Service that selects Pods, and one
// that no Service selects.
func (b *builder) layWorkloads() {
	b.workloads = b.systemWorkloads()
	b.services[1].workload = slices.IndexFunc(b.workloads, func(w workload) bool { return w.name == "coredns" })
	apps := len(b.workloads)
	for i := systemServices; i < len(b.services); i++ {
		s := &b.services[i]
		if s.shape == externalName {
			continue
		}
		s.workload = len(b.workloads)
		b.workloads = append(b.workloads, b.appWorkload(s))
	}
	b.workloads = append(b.workloads, workload{namespace: "tools", name: "runner", image: "registry.example.com/tools/runner:v4.0.2", form: &b.forms.podWorker, port: 8080})
	b.sharePods(apps)
	b.numberPods()
}

func (b *builder) appWorkload(s *service) workload {
	draw := b.draw(forWorkload, s.number)
	area := strings.Split(s.namespace, "-")[1]
	w := workload{
		namespace: s.namespace,
		name:      s.name,
		image:     fmt.Sprintf("registry.example.com/%s/%s:v%d.%d.%d", area, s.name, 1+draw%5, draw>>8%30, draw>>16%12),
		form:      &b.forms.podWeb,
		port:      8080,
	}
	switch {
	case s.shape == headless:
		w.owner, w.form = statefulSet, &b.forms.podState
	case draw>>24%3 == 0:
		w.form = &b.forms.podWorker
	}
	return w
}

// sharePods divides the Pods that are not the cluster's own: few workloads are
// large, most are small.
func (b *builder) sharePods(apps int) {
	var weights []int
	total := 0
	for i := range b.workloads[apps:] {
		weight := [...]int{8, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1}[b.draw(forWorkload, i)>>32%16]
		total += weight
		weights = append(weights, weight)
	}
	pods, sum := b.size.Pods-b.size.systemPods(), 0
	for i, weight := range weights {
		b.workloads[apps+i].count = pods*(sum+weight)/total - pods*sum/total
		sum += weight
	}
}

func (b *builder) numberPods() {
	first, onPodNetwork := 0, 0
	for i := range b.workloads {
		w := &b.workloads[i]
		w.first, w.onPodNetwork = first, onPodNetwork
		first += w.count
		if !w.hostNetwork() {
			onPodNetwork += w.count
		}
	}
}

// appPod numbers the n-th Pod that is not the cluster's own.
func (f *Cluster) appPod(n int) int { return f.size.systemPods() + n }
