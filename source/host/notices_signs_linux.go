// SPDX-License-Identifier: Apache-2.0

package host

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The programs whose lines are looked at, as Notice.Source names them.
const (
	byKubelet = "kubelet"
	byProxy   = "kube-proxy"
	byCalico  = "calico-node"
	byKernel  = "kernel"
	byAudit   = "audit"
	byIfup    = "ifup"
)

// sign is a sort of line: who writes it, and what it then has, without regard to
// capitals: between releases Kubernetes went from "failed to" to "Failed to".
type sign struct {
	name   string
	of     []string       // the programs
	has    *regexp.Regexp //
	lacks  *regexp.Regexp // nil: nothing
	apart  string         // Notice.Source where it is not the program that wrote the line
	stands bool           // said once, at a start, and true until the next
}

// clients are the programs that talk to the apiserver.
func clients() []string { return []string{byKubelet, byProxy, byCalico} }

// toAPI is how client-go names the request that failed: Get "https://HOST/api/...".
// What a kubelet says of its probes of Pods has another path.
const toAPI = `https://[^\s"\\]+/apis?/.*`

// signs lists the sorts of lines, each with the text that the program's source has.
func signs() []sign {
	has := func(pattern string) *regexp.Regexp { return regexp.MustCompile(`(?i)` + pattern) }
	return []sign{
		// kubernetes component-helpers/apimachinery/lease/controller.go (1.20 to 1.34);
		// pkg/kubelet/kubelet_node_status.go syncNodeStatus, updateNodeStatus.
		{name: "lease", of: []string{byKubelet}, has: has(`failed to update lease|failed to ensure lease exists|unable to update node status|error updating node status, will retry`)},
		// pkg/kubelet/pleg/generic.go Healthy; every start says "yet to be successful".
		{name: "pleg", of: []string{byKubelet}, has: has(`pleg is not healthy`), lacks: has(`pleg has yet to be successful`)},
		// pkg/kubelet/runtime.go runtimeErrors; pkg/kubelet/kubelet.go updateRuntimeUp.
		{name: "runtime", of: []string{byKubelet}, has: has(`container runtime is down|container runtime network not ready`)},
		// go crypto/x509 verify.go CertificateInvalidError, UnknownAuthorityError, HostnameError.
		{name: "certificate", of: clients(), has: has(`x509: (certificate|cannot validate certificate)`)},
		// go net OpError of ECONNREFUSED, EHOSTUNREACH and poll.ErrDeadlineExceeded;
		// net/http transport.go and client.go for the rest.
		{name: "refused", of: clients(), has: has(toAPI + `connection refused`), lacks: has(lookup)},
		{name: "no-route", of: clients(), has: has(toAPI + `(no route to host|network is unreachable)`), lacks: has(lookup)},
		{name: "timeout", of: clients(), has: has(toAPI + `(i/o timeout|tls handshake timeout|client\.timeout exceeded)`), lacks: has(lookup)},
		// go net DNSError: the name server is who does not answer.
		{name: "lookup", of: clients(), has: has(toAPI + lookup)},
		// linux net/ipv4/route.c ip_handle_martian_source: the first address is where
		// the packet goes to, the second is its source.
		{name: "martian", of: []string{byKernel}, has: has(`martian source [0-9.]+ from [0-9.]+, on dev `)},
		// linux net/ipv6/addrconf.c addrconf_dad_failure, since 4.11 with "used by".
		{name: "duplicate-address", of: []string{byKernel}, has: has(`ipv6 duplicate address [0-9a-f:.]+ (used by [0-9a-f:]+ )?detected!`), stands: true},
		// linux net/core/neighbour.c neigh_alloc; to 3.9 net/ipv4/arp.c and its like.
		{name: "overflow", of: []string{byKernel}, has: has(`neighbou?r table overflow`)},
		// linux security/selinux/avc.c avc_audit_pre_callback; a permissive domain's
		// are done all the same. Without auditd they are in the kernel's buffer.
		{name: "denial", of: []string{byAudit, byKernel}, has: has(`avc: +denied `), lacks: has(`permissive=1`), apart: byAudit},
		// kubernetes pkg/proxy/iptables/proxier.go, pkg/proxy/ipvs/proxier.go,
		// pkg/proxy/nftables/proxier.go, each syncProxyRules.
		{name: "restore", of: []string{byProxy}, has: has(`failed to (execute )?ip6?tables-restore|nftables sync failed`)},
		// kubernetes cmd/kube-proxy/app/server_others.go to 1.24: it goes on with
		// iptables; later (server_linux.go) it ends. "Using iptables Proxier" alone
		// is said by every kube-proxy of that mode.
		{name: "fallback", of: []string{byProxy}, has: has(`can't use (the )?ipvs proxier|can't determine whether to use ipvs proxy|ipvs proxier will not be used because`), stands: true},
		// projectcalico/calico node/pkg/health/health.go; it is the kubelet that writes
		// down what a probe says.
		{name: "bird", of: []string{byCalico, byKubelet}, has: has(`bird6? is not ready: bgp not established with`), apart: byCalico},
		// projectcalico/calico node/pkg/lifecycle/startup/startup.go checkConflicts.
		{name: "address-conflict", of: []string{byCalico}, has: has(`calico node '[^']*' is already using the ipv[46] address`), stands: true},
		// initscripts network-scripts/ifup-eth, which also has its own line repeated by
		// the service that runs it.
		{name: "duplicate-address", of: []string{byIfup}, has: has(`some other host .*already uses address`), stands: true},
	}
}

// lookup is net.DNSError's text.
const lookup = `lookup \S+( on \S+)?: `

// reader knows the signs, and makes them once.
type recogniser struct{ signs []sign }

func newRecogniser() recogniser { return recogniser{signs()} }

// recognise gives the signs of a line that a program wrote.
func (r recogniser) recognise(by, line string) []sign {
	var out []sign
	for _, s := range r.signs {
		if slices.Contains(s.of, by) && s.has.MatchString(line) && (s.lacks == nil || !s.lacks.MatchString(line)) {
			out = append(out, s)
		}
	}
	return out
}

// source is the Notice's.
func (s sign) source(by string) string {
	if s.apart != "" {
		return s.apart
	}
	return by
}

// repeats finds what rsyslog makes of lines that are the same (tools/ratelimit.c,
// $RepeatedMsgReduction).
var repeats = regexp.MustCompile(`message repeated ([0-9]{1,6}) times: \[`)

// times is how many lines one stands for.
func times(line string) int {
	if m := repeats.FindStringSubmatch(line); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && n > 0 {
			return n
		}
	}
	return 1
}

// syslogLine finds time, host and program at the head of a line of syslog, in the
// form of old (RFC 3164) and the one that newer distributions have, which begins
// with a full time.
var syslogLine = regexp.MustCompile(`^(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+) \S+ ([^\s:\[]+)(?:\[[0-9]+\])?: `)

// writer is the program that a line of syslog is from; "": none that is looked at.
// k3s and RKE2 run the kubelet as a part or as a child of themselves.
func writer(line string) string {
	m := syslogLine.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	switch name := m[1][strings.LastIndexByte(m[1], '/')+1:]; name {
	case "kernel":
		return byKernel
	case "audit", "auditd", "audispd":
		return byAudit
	case "kubelet", "k3s", "k3s-agent", "rke2", "rke2-server", "rke2-agent":
		return byKubelet
	case "kube-proxy":
		return byProxy
	case "network", "ifup-eth", "ifup-aliases", "ifup":
		return byIfup
	}
	return ""
}
