// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
)

// numbered goes over the lines of a text, with their numbers, trimmed.
func numbered(text []byte) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range bytes.Lines(text) {
			n++
			if !yield(n, strings.TrimSpace(string(line))) {
				return
			}
		}
	}
}

// onLine puts a line before an error.
func onLine(line int, err error) error { return fmt.Errorf("line %d: %w", line, err) }

// parseHosts reads /etc/hosts (man 5 hosts). Of several lines with a name the first
// counts here, though the C library gives all.
func parseHosts(text []byte) map[string]netip.Addr {
	out := map[string]netip.Addr{}
	for _, line := range numbered(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		ip, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue // the C library passes over it too
		}
		for _, name := range fields[1:] {
			if _, ok := out[strings.ToLower(name)]; !ok {
				out[strings.ToLower(name)] = ip.Unmap().WithZone("")
			}
		}
	}
	return out
}

// resolversUsed is how many servers the C library asks (resolv.h MAXNS).
const resolversUsed = 3

// parseResolvers reads the servers of resolv.conf. What it does not know it passes
// over, as the C library does (man 5 resolv.conf).
func parseResolvers(text []byte, who string) ([]mention, error) {
	var out []mention
	for n, line := range numbered(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" || len(out) == resolversUsed {
			continue
		}
		if _, err := netip.ParseAddr(fields[1]); err == nil {
			out = append(out, mention{"resolver", who, fields[1], 53, n})
		}
	}
	return out, nil
}

const ntpPort = 123

// parseNTP reads the time servers of chrony and ntpd, "server NAME [OPTION...]", with -4
// or -6 before the name with ntpd, and those of systemd-timesyncd, "NTP=NAME...".
func parseNTP(text []byte, who string) ([]mention, error) {
	var out []mention
	for n, line := range numbered(text) {
		fields := strings.Fields(line)
		if names, ok := strings.CutPrefix(line, "NTP="); ok {
			fields = strings.Fields(names)
		} else if len(fields) > 1 && slices.Contains([]string{"server", "peer", "pool"}, fields[0]) {
			fields = slices.DeleteFunc(fields[1:], func(f string) bool { return f[0] == '-' })
			fields = fields[:min(1, len(fields))]
		} else {
			continue
		}
		for _, name := range fields {
			if _, err := netip.ParseAddr(name); err == nil || isName(name) {
				out = append(out, mention{"ntp", who, name, ntpPort, n})
			}
		}
	}
	return out, nil
}

// parseEnvironment takes one variable out of a file of systemd's EnvironmentFile=,
// beside which the token stands, unread.
func parseEnvironment(text []byte, _ string) ([]mention, error) {
	var out []mention
	var failed error
	for n, line := range numbered(text) {
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if name != "K3S_URL" && name != "RKE2_URL" {
			continue
		}
		who := strings.ToLower(strings.TrimSuffix(name, "_URL"))
		mentions, err := flagMentions(who, flag{name: "server", value: strings.TrimSpace(value)}, n)
		if err != nil {
			failed = onLine(n, err)
		}
		out = append(out, mentions...)
	}
	return out, failed
}

// parseArgs reads the flags that MicroK8s keeps one a line.
func parseArgs(text []byte, who string) ([]mention, error) {
	var out []mention
	var failed error
	for n, line := range numbered(text) {
		for f := range eachFlag(append([]string{who}, strings.Fields(line)...)) {
			mentions, err := flagMentions(who, f, n)
			if err != nil {
				failed = onLine(n, err)
			}
			out = append(out, mentions...)
		}
	}
	return out, failed
}

// apiserverPort is what kubeadm and its kin let the apiserver listen on.
const apiserverPort = 6443

// isAPI reports whether a proxy's server is an apiserver: by its port, or by the name
// of the group it is in, as kubespray's kube_apiserver and kube_api_backend are.
func isAPI(group string, port uint16) bool {
	group = strings.ToLower(group)
	return port == apiserverPort || strings.Contains(group, "apiserver") || strings.Contains(group, "kube_api") || strings.Contains(group, "kube-api")
}

// parseNginx reads the servers of upstreams
// (nginx.org/en/docs/stream/ngx_stream_upstream_module.html): words up to ; { or }.
func parseNginx(text []byte, who string) ([]mention, error) {
	var out []mention
	var blocks, words []string
	for n, line := range numbered(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, mark := range []string{";", "{", "}"} {
			line = strings.ReplaceAll(line, mark, " "+mark+" ")
		}
		for word := range strings.FieldsSeq(line) {
			switch word {
			case ";":
				if len(blocks) > 0 && strings.HasPrefix(blocks[len(blocks)-1], "upstream ") && len(words) > 1 && words[0] == "server" {
					out = append(out, proxied(words[1], blocks[len(blocks)-1], who, n)...)
				}
			case "{":
				blocks = append(blocks, strings.Join(words, " "))
			case "}":
				if len(blocks) == 0 {
					return out, onLine(n, fmt.Errorf("closes no block"))
				}
				blocks = blocks[:len(blocks)-1]
			default:
				if len(words) < 8 {
					words = append(words, word)
				}
				continue
			}
			words = nil
		}
	}
	return out, nil
}

// parseHAProxy reads the servers of the sections backend and listen: server NAME
// ADDRESS[:PORT] (docs.haproxy.org, proxy keywords).
func parseHAProxy(text []byte, who string) ([]mention, error) {
	var out []mention
	section := ""
	for n, line := range numbered(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		switch fields[0] {
		case "global", "defaults", "frontend", "peers", "resolvers", "userlist", "program", "mailers", "cache", "ring":
			section = ""
		case "backend", "listen":
			section = strings.Join(fields, " ")
		case "server":
			if section != "" && len(fields) > 2 {
				out = append(out, proxied(fields[2], section, who, n)...)
			}
		}
	}
	return out, nil
}

// proxied is a proxy's server, where it is an apiserver. HAProxy writes IPv6 also
// without brackets: the port is behind the last colon then.
func proxied(text, group, who string, line int) []mention {
	if i := strings.LastIndexByte(text, ':'); i > 0 && !strings.HasPrefix(text, "[") && strings.Count(text, ":") > 1 {
		text = "[" + text[:i] + "]" + text[i:]
	}
	host, port, ok, err := parseAddress(text)
	if err != nil || !ok || !isAPI(group, port) { // unix:, variables
		return nil
	}
	return []mention{{"apiserver", who, host, port, line}}
}

// podProgram knows the programs of static Pods whose flags are read.
func podProgram(name string) bool {
	return slices.Contains([]string{"kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "kube-proxy"}, name)
}
