// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// manifests are the templates of what people write.
type manifests struct {
	plain, flat, extra, namespace form
}

func readManifests() manifests {
	return manifests{
		plain:     readForm("app-plain.yaml", ""),
		flat:      readForm("app-flat.yaml", ""),
		extra:     readForm("app-extra.yaml", ""),
		namespace: readForm("namespace.yaml", ""),
	}
}

// WriteYAML writes the cluster as a tree of manifests: what people keep in a
// repository, so no Nodes, no Pods, no managedFields and hardly a status. Of
// the planted conflicts it shows both sides only where both are written by
// people.
func (f *Cluster) WriteYAML(dir string) error {
	t := readManifests()
	for n := range f.appNamespaces() {
		if err := f.writeNamespaceFolder(t, filepath.Join(dir, "apps", f.appNamespace(n)), n); err != nil {
			return fmt.Errorf("write manifests: %w", err)
		}
	}
	if err := f.writePoolFolders(filepath.Join(dir, "platform")); err != nil {
		return fmt.Errorf("write manifests: %w", err)
	}
	if err := writeFile(filepath.Join(dir, "platform", "network"), "cluster.yaml", f.networkManifest()); err != nil {
		return fmt.Errorf("write manifests: %w", err)
	}
	return nil
}

func writeFile(dir, name string, text []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), text, 0o644)
}

// writeNamespaceFolder writes some forty objects: a file for each application
// and one for the namespace itself.
func (f *Cluster) writeNamespaceFolder(t manifests, dir string, n int) error {
	text := t.namespace.append(nil, func(b []byte, _ string) []byte { return append(b, f.appNamespace(n)...) })
	if err := writeFile(dir, "namespace.yaml", append(text, '\n')); err != nil {
		return err
	}
	first := systemServices + n*servicesPerNamespace
	for i := first; i < min(first+servicesPerNamespace, len(f.services)); i++ {
		s := &f.services[i]
		if err := writeFile(dir, s.name+".yaml", f.appManifest(t, s)); err != nil {
			return err
		}
	}
	return nil
}

// appManifest is one application, in one of two hands.
func (f *Cluster) appManifest(t manifests, s *service) []byte {
	var b []byte
	flat := f.draw(forService, s.number)>>40%2 == 0
	fill := func(b []byte, slot string) []byte { return f.fillManifest(b, slot, s) }
	if s.shape != externalName {
		if flat {
			b = t.flat.append(b, fill)
		} else {
			b = t.plain.append(b, fill)
		}
		b = append(b, '\n')
	}
	m := manifest{b: b, quote: flat, tight: flat}
	m.service(s)
	if s.shape != externalName && f.draw(forService, s.number)>>44%3 == 0 {
		m.b = append(t.extra.append(m.b, fill), '\n')
	}
	return m.b
}

func (f *Cluster) fillManifest(b []byte, slot string, s *service) []byte {
	w := &f.workloads[s.workload]
	switch slot {
	case "name":
		return append(b, s.name...)
	case "namespace":
		return append(b, s.namespace...)
	case "kind":
		if w.owner == statefulSet {
			return append(b, "StatefulSet"...)
		}
		return append(b, "Deployment"...)
	case "replicas":
		return strconv.AppendInt(b, int64(w.count), 10)
	case "image":
		return append(b, w.image...)
	case "port":
		return strconv.AppendInt(b, int64(w.port), 10)
	}
	panic("manifest: no slot " + slot)
}

// manifest gathers YAML in one person's habits.
type manifest struct {
	b            []byte
	quote, tight bool // quoted names; lists on one line or not indented
}

func (m *manifest) printf(format string, args ...any) { m.b = fmt.Appendf(m.b, format, args...) }

func (m *manifest) scalar(s string) string {
	if m.quote {
		return strconv.Quote(s)
	}
	return s
}

// list writes a list of scalars under a key.
func (m *manifest) list(indent, key string, all []string) {
	for i := range all {
		all[i] = m.scalar(all[i])
	}
	if m.tight {
		m.printf("%s%s: [%s]\n", indent, key, strings.Join(all, ", "))
		return
	}
	m.printf("%s%s:\n", indent, key)
	for _, s := range all {
		m.printf("%s  - %s\n", indent, s)
	}
}

func (m *manifest) service(s *service) {
	m.printf("apiVersion: v1\nkind: Service\nmetadata:\n  name: %s\n  namespace: %s\n", m.scalar(s.name), m.scalar(s.namespace))
	m.serviceAnnotations(s)
	m.printf("spec:\n  type: %s\n", s.shape)
	switch {
	case s.shape == externalName:
		m.printf("  externalName: %s\n", m.scalar(s.name+".example.net"))
		return
	case s.shape == headless:
		m.printf("  clusterIP: None\n")
	case s.pinned:
		m.printf("  clusterIP: %s # known to the partners' firewalls\n", m.scalar(s.clusterIP.String()))
	}
	if s.class != "" {
		m.printf("  loadBalancerClass: %s\n", m.scalar(s.class))
	}
	if len(s.external) > 0 {
		var all []string
		for _, a := range s.external {
			all = append(all, a.String())
		}
		m.list("  ", "externalIPs", all)
	}
	m.servicePorts(s)
	m.printf("  selector:\n    app.kubernetes.io/name: %s\n", m.scalar(s.name))
	m.serviceStatus(s)
}

func (m *manifest) serviceAnnotations(s *service) {
	if s.shareKey == "" && !s.request.IsValid() {
		return
	}
	m.printf("  annotations:\n")
	if s.shareKey != "" {
		m.printf("    metallb.io/allow-shared-ip: %s\n", m.scalar(s.shareKey))
	}
	if s.request.IsValid() {
		m.printf("    metallb.io/loadBalancerIPs: %s\n", m.scalar(s.request.String()))
	}
}

func (m *manifest) servicePorts(s *service) {
	m.printf("  ports:\n")
	for _, p := range s.ports {
		if m.tight {
			m.printf("  - {name: %s, port: %d, targetPort: %d, protocol: %s}\n", p.name, p.number, p.target, p.transport())
			continue
		}
		m.printf("    - name: %s\n      port: %d\n      targetPort: %d\n      protocol: %s\n", p.name, p.number, p.target, p.transport())
	}
}

// serviceStatus is kept of a load balancer of an unknown class, as if the
// manifest had been exported: nothing else tells its address.
func (m *manifest) serviceStatus(s *service) {
	if s.class == "" || len(s.ingress) == 0 || !s.ingress[0].ip.IsValid() {
		return
	}
	m.printf("status:\n  loadBalancer:\n    ingress:\n    - ip: %s\n      ipMode: %s\n", s.ingress[0].ip, s.ingress[0].ipMode())
}

// poolsPerFolder keeps the folders as small as people keep them.
const poolsPerFolder = 40

func (f *Cluster) writePoolFolders(dir string) error {
	for n := 0; n*poolsPerFolder < len(f.pools); n++ {
		var m manifest
		for _, each := range f.pools[n*poolsPerFolder : min((n+1)*poolsPerFolder, len(f.pools))] {
			m.printf("---\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata:\n  name: %s\n  namespace: metallb-system\nspec:\n", each.name)
			m.list("  ", "addresses", append([]string(nil), each.ranges...))
			if each.manual {
				m.printf("  autoAssign: false\n")
			}
		}
		if err := writeFile(filepath.Join(dir, fmt.Sprintf("metallb-%02d", n)), "pools.yaml", m.b); err != nil {
			return err
		}
	}
	return nil
}

func (f *Cluster) networkManifest() []byte {
	var m manifest
	m.printf("apiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata:\n  name: default-ipv4-ippool\nspec:\n  cidr: %s\n  ipipMode: Always\n  natOutgoing: true\n", podSubnet)
	m.printf("---\napiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata:\n  name: kubernetes\nspec:\n  cidrs:\n    - %s\n", serviceSubnet)
	for _, c := range f.configMaps {
		if c.namespace != "kube-system" || c.name != "kube-proxy" && c.name != "kubeadm-config" {
			continue
		}
		m.printf("---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  namespace: %s\ndata:\n", c.name, c.namespace)
		for _, entry := range c.data {
			m.printf("  %s: |\n    %s\n", entry[0], strings.ReplaceAll(strings.TrimSuffix(entry[1], "\n"), "\n", "\n    "))
		}
	}
	return m.b
}
