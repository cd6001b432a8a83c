// SPDX-License-Identifier: Apache-2.0

package netfilter

import "strings"

// serviceOfComment reads kube-proxy's comments: "demo/tomcat:http external IP",
// "demo/tomcat cluster IP", "demo/tomcat:http" (kubernetes pkg/proxy/types.go
// ServicePortName.String and pkg/proxy/iptables/proxier.go syncProxyRules, v1.36;
// before 1.16 the colon stood without a port's name too).
func serviceOfComment(text string) Service {
	first, role, _ := strings.Cut(text, " ")
	namespace, rest, ok := strings.Cut(first, "/")
	if !ok {
		return Service{}
	}
	name, port, _ := strings.Cut(rest, ":")
	if !isName(namespace) || !isName(name) || port != "" && !isName(port) {
		return Service{}
	}
	switch role {
	case "", "cluster IP", "external IP", "loadbalancer IP":
		return Service{Namespace: namespace, Name: name, Port: port, Role: role}
	}
	return Service{}
}

// serviceOfChain reads the names of kube-proxy's nftables chains:
// "external-42NFTM6N-ns2/svc2/tcp/p80" (kubernetes pkg/proxy/nftables/proxier.go
// servicePortChainNameBase, v1.36).
func serviceOfChain(chain string) Service {
	role, rest, _ := strings.Cut(chain, "-")
	hash, path, _ := strings.Cut(rest, "-")
	parts := strings.Split(path, "/")
	if len(hash) != 8 || len(parts) != 4 || !isName(parts[0]) || !isName(parts[1]) || parts[3] != "" && !isName(parts[3]) {
		return Service{}
	}
	switch role {
	case "external", "service", "local", "firewall":
		return Service{Namespace: parts[0], Name: parts[1], Port: parts[3], Role: role}
	}
	return Service{}
}

// isName reports whether the apiserver would take the text for a name.
func isName(text string) bool {
	for _, r := range text {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' {
			return false
		}
	}
	return text != ""
}
