// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"whohas/dataplane"
)

// sandboxLimit bounds the files of network plugins: a node has some hundred Pods,
// though plugins may have left more behind.
const sandboxLimit = 4096

// readSandboxes reads which Pod has which address from what CNI leaves in files: the
// cached results of every runtime that uses libcni, and the reservations of the
// IPAM plugin host-local. Calico keeps its addresses elsewhere, but its results are
// cached all the same. Pods in the host's network have none. A result whose network
// namespace has gone is left out, as is a reservation that belongs to such a one. A
// reservation without a result may be one that was never given back: it has no
// name.
//
// Where no such folder is, nothing is known.
func readSandboxes(ctx context.Context, at place) ([]dataplane.Sandbox, error) {
	b := &boxes{at: at, gone: map[string]bool{}, known: map[held]bool{}}
	results, errResults := at.glob("/var/lib/cni/results/*")
	older, errOlder := at.glob("/var/lib/cni/cache/results/*") // the kubelet's own, up to 1.23: --cni-cache-dir
	reserved, errReserved := at.glob("/var/lib/cni/networks/*/*")
	for _, err := range []error{errResults, errOlder, errReserved} {
		if err != nil {
			b.fail("/var/lib/cni", bareCause(err))
		}
	}
	files := slices.Concat(results, older, reserved)
	if len(files) == 0 && b.failed == nil && b.denied == nil && !b.kept() {
		return nil, missing{"no network plugin keeps its results in /var/lib/cni"}
	}
	if len(files) > sandboxLimit {
		files = files[:sandboxLimit]
		b.fail("/var/lib/cni", fmt.Errorf("more than %d files", sandboxLimit))
	}
	for i, file := range files {
		if ctx.Err() != nil {
			b.fail("/var/lib/cni", ctx.Err())
			break
		}
		if i < len(results)+len(older) {
			b.read(file, b.result)
		} else {
			b.read(file, b.reservation)
		}
	}
	return b.done()
}

// boxes collects sandboxes.
type boxes struct {
	at     place
	out    []dataplane.Sandbox
	gone   map[string]bool // containers whose namespace has gone
	known  map[held]bool
	failed error // the first that is not about permission
	denied error // the first that is
	lost   int
}

// held is an address that a container has.
type held struct {
	container string
	ip        netip.Addr
}

func (b *boxes) fail(file string, err error) {
	err = fmt.Errorf("%s: %w", file, err)
	if errors.Is(err, fs.ErrPermission) {
		b.denied = cmp.Or(b.denied, err)
	} else {
		b.failed = cmp.Or(b.failed, err)
	}
	b.lost++
}

// kept reports whether there is a folder for files at all.
func (b *boxes) kept() bool {
	for _, dir := range []string{"/var/lib/cni/results", "/var/lib/cni/cache/results", "/var/lib/cni/networks"} {
		if f, err := openBelow(b.at.root, dir); err == nil {
			f.Close()
			return true
		}
	}
	return false
}

func (b *boxes) done() ([]dataplane.Sandbox, error) {
	slices.SortFunc(b.out, func(x, y dataplane.Sandbox) int {
		return cmp.Or(x.IP.Compare(y.IP), strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name), strings.Compare(x.From, y.From))
	})
	b.out = slices.Compact(b.out)
	switch {
	case b.failed != nil && b.lost > 1:
		return b.out, partial{fmt.Sprintf("%d not read: %v", b.lost, b.failed)}
	case b.failed != nil:
		return b.out, partial{b.failed.Error()}
	}
	return b.out, b.denied
}

// read reads one file; what was removed meanwhile is no loss.
func (b *boxes) read(file string, take func(file string, text []byte) error) {
	text, err := readCapped(b.at.root, file)
	switch {
	case noFile(err):
		return
	case err == nil:
		err = take(file, text)
	}
	if err != nil {
		b.fail(file, bareCause(err))
	}
}

// result keeps a cached result.
func (b *boxes) result(file string, text []byte) error {
	r, err := parseResult(text)
	if err != nil {
		return err
	}
	if r.container == "" { // of libcni before 0.8, which had the result alone
		r.container = containerID(path.Base(file))
	}
	if b.isGone(r.netns) {
		b.gone[r.container] = true
		return nil
	}
	if r.name == "" {
		r.namespace, r.name = b.podOf(r.container)
	}
	for _, ip := range r.ips {
		b.add(held{r.container, ip}, dataplane.Sandbox{Namespace: r.namespace, Name: r.name, IP: ip, From: file})
	}
	return nil
}

// reservation keeps a file of host-local, whose name is the address, unless a result
// has said it already.
func (b *boxes) reservation(file string, text []byte) error {
	ip, err := netip.ParseAddr(path.Base(file))
	if err != nil { // last_reserved_ip.0, lock
		return nil
	}
	container := parseReservation(text)
	if container == "" {
		return errors.New("no container")
	}
	h := held{container, ip.Unmap()}
	if b.known[h] || b.gone[container] {
		return nil
	}
	namespace, name := b.podOf(container)
	b.add(h, dataplane.Sandbox{Namespace: namespace, Name: name, IP: h.ip, From: file})
	return nil
}

func (b *boxes) add(h held, s dataplane.Sandbox) {
	b.known[h] = true
	b.out = append(b.out, s)
}

// isGone reports whether a namespace has gone that was bound to a file: containerd and
// CRI-O bind theirs in /run/netns, also by the name /var/run/netns. Where that
// folder cannot be seen, nothing is gone.
func (b *boxes) isGone(netns string) bool {
	dir, name := path.Split(strings.TrimPrefix(netns, "/var"))
	if dir != "/run/netns/" || name == "" {
		return false
	}
	if _, err := os.Stat(b.at.path(dir)); err != nil {
		return false
	}
	_, err := os.Lstat(b.at.path(dir + name))
	return errors.Is(err, fs.ErrNotExist)
}

// podOf looks a container up in the files that runtimes have by its number:
// containerd's (containerd pkg/cri/annotations/annotations.go), k3s' and MicroK8s'
// too; dockershim's (kubernetes 1.23 pkg/kubelet/dockershim/docker_checkpoint.go),
// and cri-dockerd's after it.
func (b *boxes) podOf(container string) (namespace, name string) {
	if containerID(container) != container || container == "" { // no way out of the folders
		return "", ""
	}
	for _, dir := range []string{"/run/containerd", "/run/k3s/containerd", "/var/snap/microk8s/common/run/containerd"} {
		text, err := readCapped(b.at.root, dir+"/io.containerd.runtime.v2.task/k8s.io/"+container+"/config.json")
		if err != nil {
			continue
		}
		if namespace, name = parseBundle(text); name != "" {
			return namespace, name
		}
	}
	for _, dir := range []string{"/var/lib/dockershim/sandbox", "/var/lib/cri-dockerd/sandbox"} {
		text, err := readCapped(b.at.root, dir+"/"+container)
		if err != nil {
			continue
		}
		if namespace, name = parseCheckpoint(text); name != "" {
			return namespace, name
		}
	}
	return "", ""
}

// containerID finds the number of a container in the name of its cached result,
// NETWORK-CONTAINER-DEVICE (containernetworking/cni libcni/api.go
// getCacheFilePath).
func containerID(text string) string { return regexp.MustCompile(`[0-9a-f]{64}`).FindString(text) }

var errJSON = errors.New("no JSON of the form")

// cniResult is a cached result of CNI.
type cniResult struct {
	container, netns, namespace, name string
	ips                               []netip.Addr
}

// cniCached is libcni's cachedInfo (containernetworking/cni libcni/api.go, since 0.8),
// without the network's configuration.
type cniCached struct {
	Kind        string       `json:"kind"`
	ContainerID string       `json:"containerId"`
	NetNS       string       `json:"netns"`
	Args        [][2]string  `json:"cniArgs"`
	Result      cniAddressed `json:"result"`
}

// cniAddressed is what results of all versions say of addresses (containernetworking/cni
// pkg/types/020 and pkg/types/100).
type cniAddressed struct {
	IPs []struct {
		Address string `json:"address"`
	} `json:"ips"`
	IP4 struct {
		IP string `json:"ip"`
	} `json:"ip4"`
	IP6 struct {
		IP string `json:"ip"`
	} `json:"ip6"`
}

const cacheKind = "cniCacheV1"

func parseResult(text []byte) (cniResult, error) {
	var c cniCached
	if json.Unmarshal(text, &c) != nil {
		return cniResult{}, errJSON
	}
	if c.Kind != cacheKind {
		c = cniCached{}
		if json.Unmarshal(text, &c.Result) != nil {
			return cniResult{}, errJSON
		}
	}
	out := cniResult{container: c.ContainerID, netns: c.NetNS}
	for _, arg := range c.Args {
		switch arg[0] {
		case "K8S_POD_NAMESPACE":
			out.namespace = arg[1]
		case "K8S_POD_NAME":
			out.name = arg[1]
		}
	}
	texts := []string{c.Result.IP4.IP, c.Result.IP6.IP}
	for _, ip := range c.Result.IPs {
		texts = append(texts, ip.Address)
	}
	for _, text := range texts {
		if text == "" {
			continue
		}
		host, _, _ := strings.Cut(text, "/")
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return cniResult{}, errJSON
		}
		if ip = ip.Unmap().WithZone(""); !ip.IsLoopback() { // containerd's cni-loopback
			out.ips = append(out.ips, ip)
		}
	}
	return out, nil
}

// parseReservation reads CONTAINER, and the device in a second line since 0.8
// (containernetworking/plugins plugins/ipam/host-local/backend/disk/backend.go).
func parseReservation(text []byte) string {
	first, _, _ := strings.Cut(string(text), "\n")
	first = strings.TrimSpace(first)
	if len(first) > 256 {
		return ""
	}
	return first
}

// parseBundle takes the Pod out of a container's config.json, and nothing else: its
// environment is in there too.
func parseBundle(text []byte) (namespace, name string) {
	var bundle struct {
		Annotations struct {
			Namespace string `json:"io.kubernetes.cri.sandbox-namespace"`
			Name      string `json:"io.kubernetes.cri.sandbox-name"`
		} `json:"annotations"`
	}
	if json.Unmarshal(text, &bundle) != nil {
		return "", ""
	}
	return bundle.Annotations.Namespace, bundle.Annotations.Name
}

func parseCheckpoint(text []byte) (namespace, name string) {
	var checkpoint struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	}
	if json.Unmarshal(text, &checkpoint) != nil {
		return "", ""
	}
	return checkpoint.Namespace, checkpoint.Name
}
