// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var errYAML = errors.New("no YAML")

// parseYAML gives the first document. An error has its line, and nothing of the
// text: files have secrets.
func parseYAML(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		if m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error()); m != nil {
			return nil, fmt.Errorf("line %s: %w", m[1], errYAML)
		}
		return nil, errYAML
	}
	if len(doc.Content) == 0 {
		return &yaml.Node{}, nil
	}
	return doc.Content[0], nil
}

// yamlAt is what a mapping has under a key, or an empty node.
func yamlAt(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		n = yamlMember(n, key)
	}
	return n
}

func yamlMember(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	}
	return &yaml.Node{}
}

// yamlElements are those of a sequence.
func yamlElements(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// gather reads the addresses of scalars.
func gather(what, who string, nodes ...*yaml.Node) ([]mention, error) {
	var out []mention
	var failed error
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			continue
		}
		for text := range strings.SplitSeq(n.Value, ",") { // kube-vip's address may be two
			host, port, ok, err := parseAddress(text)
			switch {
			case err != nil:
				failed = onLine(n.Line, err)
			case ok:
				out = append(out, mention{what, who, host, port, n.Line})
			}
		}
	}
	return out, failed
}

// parseKubeconfig reads clusters[].cluster.server (client-go
// tools/clientcmd/api/v1/types.go), and nothing else.
func parseKubeconfig(text []byte, who string) ([]mention, error) {
	doc, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	var servers []*yaml.Node
	for _, c := range yamlElements(yamlAt(doc, "clusters")) {
		servers = append(servers, yamlAt(c, "cluster", "server"))
	}
	return gather("apiserver", who, servers...)
}

// parseServer reads the server of a k3s or RKE2 configuration: the one that the
// agent joins over, RKE2's on a port of its own, 9345 (docs.rke2.io).
func parseServer(text []byte, who string) ([]mention, error) {
	doc, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	return gather("apiserver", who, yamlAt(doc, "server"))
}

// parseBalancer reads what k3s' own load balancer remembers (k3s
// pkg/agent/loadbalancer/config.go): JSON, of which YAML gives the lines. Its name
// says for which servers it is: k3s-agent-, k3s-api-server-agent- or k3s-etcd-server-.
func parseBalancer(text []byte, file string) ([]mention, error) {
	doc, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	what := "apiserver"
	if strings.Contains(file, "-etcd-") {
		what = "etcd"
	}
	who, _, _ := strings.Cut(file, "-")
	return gather(what, who, append(yamlElements(yamlAt(doc, "ServerAddresses")), yamlAt(doc, "ServerURL"))...)
}

// parseEndpoints reads whom MicroK8s' proxy leads to: endpoints of
// apiserver-proxy-config, or Traefik's servers up to 1.24 (canonical/microk8s has a
// script that turns the second file into the first).
func parseEndpoints(text []byte, who string) ([]mention, error) {
	doc, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	nodes := yamlElements(yamlAt(doc, "endpoints"))
	for _, s := range yamlElements(yamlAt(doc, "tcp", "services", "kube-apiserver", "loadBalancer", "servers")) {
		nodes = append(nodes, yamlAt(s, "address"))
	}
	return gather("apiserver", who, nodes...)
}

// parsePod reads the flags of Kubernetes' own programs, and the address that
// kube-vip keeps, from a static Pod.
func parsePod(text []byte, _ string) ([]mention, error) {
	doc, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	var out []mention
	for _, c := range yamlElements(yamlAt(doc, "spec", "containers")) {
		mentions, failed := parseContainer(c)
		out = append(out, mentions...)
		if failed != nil {
			err = failed
		}
	}
	return out, err
}

func parseContainer(c *yaml.Node) (out []mention, failed error) {
	words := append(yamlElements(yamlAt(c, "command")), yamlElements(yamlAt(c, "args"))...)
	if yamlAt(c, "name").Value == "kube-vip" {
		return parseVIP(yamlAt(c, "env"))
	}
	program := yamlAt(c, "name").Value
	args := []string{program}
	for _, w := range words {
		args = append(args, w.Value)
	}
	if len(words) > 0 && !podProgram(program) {
		program = path.Base(words[0].Value)
	}
	if !podProgram(program) {
		return nil, nil
	}
	for f := range eachFlag(args) {
		line := words[f.at-1].Line
		mentions, err := flagMentions(program, f, line)
		if err != nil {
			failed = onLine(line, err)
		}
		out = append(out, mentions...)
	}
	return out, failed
}

// parseVIP reads kube-vip's environment (kube-vip pkg/kubevip/config_envvar.go;
// vip_address is the older name). Without cp_enable the address serves nothing.
func parseVIP(env *yaml.Node) ([]mention, error) {
	values := map[string]*yaml.Node{}
	for _, e := range yamlElements(env) {
		values[yamlAt(e, "name").Value] = yamlAt(e, "value")
	}
	if on, ok := values["cp_enable"]; ok && on.Value == "false" {
		return nil, nil
	}
	var nodes []*yaml.Node
	for _, name := range []string{"address", "vip_address"} {
		if n := values[name]; n != nil {
			nodes = append(nodes, n)
		}
	}
	out, err := gather("control-plane", "kube-vip", nodes...)
	if n := values["port"]; n != nil {
		port, _ := strconv.ParseUint(n.Value, 10, 16) // kube-vip refuses another itself
		for i := range out {
			out[i].port = uint16(port)
		}
	}
	return out, err
}
