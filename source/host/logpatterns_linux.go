// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The programs whose lines are looked at, as LogMatch.Source names them.
const (
	byKubelet = "kubelet"
	byProxy   = "kube-proxy"
	byCalico  = "calico-node"
	byKernel  = "kernel"
	byAudit   = "audit"
	byIfup    = "ifup"
)

// pattern is a sort of line. Its texts are in small letters, as the lines are when they
// are compared: between releases Kubernetes went from "failed to" to "Failed to".
type pattern struct {
	name   string         // LogMatch.Pattern
	of     []string       // the programs that write it
	has    []string       // one of these
	form   *regexp.Regexp // and this; nil: nothing more
	lacks  *regexp.Regexp // but not this; nil: nothing
	source string         // LogMatch.Source where it is not the program that wrote the line
	stands bool           // said once, at a start, and true until the next
}

// toAPI is how client-go names the request that failed: Get "https://HOST/api/...".
// What a kubelet says of its probes of Pods has another path.
const toAPI = `https://[^\s"\\]+/apis?/.*`

// lookup is how net.DNSError begins: the name server is then who failed.
const lookup = `lookup \S+( on \S+)?: `

// patterns lists the sorts of lines, each with the text that the program's source has.
func patterns() []pattern {
	kubelet, proxy := []string{byKubelet}, []string{byProxy, byKubelet} // k3s is both at once
	clients := []string{byKubelet, byProxy, byCalico}
	aLookup := regexp.MustCompile(lookup)
	return []pattern{
		// kubernetes component-helpers/apimachinery/lease/controller.go, of old and newer releases;
		// pkg/kubelet/kubelet_node_status.go syncNodeStatus, updateNodeStatus.
		{name: "lease", of: kubelet, has: []string{"failed to update lease", "failed to ensure lease exists", "unable to update node status", "error updating node status, will retry"}},
		// pkg/kubelet/pleg/generic.go Healthy. Every start says "yet to be successful".
		{name: "pleg", of: kubelet, has: []string{"pleg is not healthy"}, lacks: regexp.MustCompile(`pleg has yet to be successful`)},
		// pkg/kubelet/runtime.go runtimeErrors; pkg/kubelet/kubelet.go updateRuntimeUp.
		{name: "runtime", of: kubelet, has: []string{"container runtime is down", "container runtime network not ready"}},
		// go crypto/x509 verify.go CertificateInvalidError, UnknownAuthorityError, HostnameError.
		{name: "certificate", of: clients, has: []string{"x509: certificate", "x509: cannot validate certificate"}},
		// go net.OpError of ECONNREFUSED, of EHOSTUNREACH and ENETUNREACH, and of
		// os.ErrDeadlineExceeded; net/http transport.go and client.go for the rest.
		{name: "refused", of: clients, has: []string{"connection refused"}, form: regexp.MustCompile(toAPI + `connection refused`), lacks: aLookup},
		{name: "no-route", of: clients, has: []string{"no route to host", "network is unreachable"}, form: regexp.MustCompile(toAPI + `(no route to host|network is unreachable)`), lacks: aLookup},
		{name: "timeout", of: clients, has: []string{"i/o timeout", "tls handshake timeout", "client.timeout exceeded"}, form: regexp.MustCompile(toAPI + `(i/o timeout|tls handshake timeout|client\.timeout exceeded)`), lacks: aLookup},
		{name: "lookup", of: clients, has: []string{"lookup "}, form: regexp.MustCompile(toAPI + lookup)},
		// linux net/ipv4/route.c ip_handle_martian_source: the first address is where
		// the packet goes to, the second is its source.
		{name: "martian", of: []string{byKernel}, has: []string{"martian source "}, form: regexp.MustCompile(`martian source [0-9.]+ from [0-9.]+, on dev `)},
		// linux net/ipv6/addrconf.c addrconf_dad_failure, in newer kernels with "used by".
		{name: "duplicate-address", of: []string{byKernel}, has: []string{"ipv6 duplicate address "}, form: regexp.MustCompile(`address [0-9a-f:.]+ (used by [0-9a-f:]+ )?detected!`), stands: true},
		// linux net/core/neighbour.c neigh_alloc; older kernels net/ipv6/route.c.
		{name: "overflow", of: []string{byKernel}, has: []string{"neighbor table overflow", "neighbour table overflow"}},
		// linux security/selinux/avc.c avc_audit_pre_callback. What a permissive domain
		// is denied it does all the same. Without auditd the kernel's buffer has them.
		{name: "denial", of: []string{byAudit, byKernel}, has: []string{"avc:  denied "}, lacks: regexp.MustCompile(`permissive=1`), source: byAudit},
		// kubernetes pkg/proxy/{iptables,ipvs,nftables}/proxier.go syncProxyRules.
		{name: "restore", of: proxy, has: []string{"failed to execute iptables-restore", "nftables sync failed"}, source: byProxy},
		// kubernetes cmd/kube-proxy/app/server_others.go: old ones go on with iptables,
		// newer ones (server_linux.go) end. "Using iptables Proxier" alone is what
		// every kube-proxy of that mode says.
		{name: "fallback", of: proxy, has: []string{"can't use ipvs proxier", "can't use the ipvs proxier", "can't determine whether to use ipvs proxy", "ipvs proxier will not be used because"}, source: byProxy, stands: true},
		// projectcalico/calico node/pkg/health/health.go. It is the kubelet that writes
		// down what a probe said.
		{name: "bird", of: []string{byCalico, byKubelet}, has: []string{"bird is not ready: bgp not established with", "bird6 is not ready: bgp not established with"}, source: byCalico},
		// projectcalico/calico node/pkg/lifecycle/startup/startup.go.
		{name: "address-conflict", of: []string{byCalico}, has: []string{"is already using the ipv4 address", "is already using the ipv6 address"}, form: regexp.MustCompile(`calico node '[^']*' is already`), stands: true},
		// initscripts network-scripts/ifup-eth. The service that runs it says so again.
		{name: "duplicate-address", of: []string{byIfup}, has: []string{"already uses address "}, form: regexp.MustCompile(`some other host .*already uses`), stands: true},
	}
}

// recogniser knows the signs.
type recogniser struct{ signs []pattern }

func newRecogniser() recogniser { return recogniser{patterns()} }

// candidates are the lines that have the words of a sign, in their order. Each of
// the words is looked for in the whole text at once.
func (r recogniser) candidates(text []byte) iter.Seq[[]byte] {
	small := []byte(lower(string(text)))
	var starts []int
	for _, s := range r.signs {
		for _, words := range s.has {
			starts = append(starts, linesWith(small, []byte(words))...)
		}
	}
	slices.Sort(starts)
	return func(yield func([]byte) bool) {
		for _, from := range slices.Compact(starts) {
			line, _, _ := bytes.Cut(text[from:], []byte("\n"))
			if !yield(line) {
				return
			}
		}
	}
}

// linesWith is where the lines begin that have some words.
func linesWith(text, words []byte) []int {
	var out []int
	for at := 0; at < len(text); {
		i := bytes.Index(text[at:], words)
		if i < 0 {
			break
		}
		out = append(out, 1+bytes.LastIndexByte(text[:at+i], '\n'))
		end := bytes.IndexByte(text[at+i:], '\n')
		if end < 0 {
			break
		}
		at += i + end + 1
	}
	return out
}

// recognise gives the signs of a line. Who wrote it is asked only of a line that
// has the words of one.
func (r recogniser) recognise(line string, writer func(string) string) []pattern {
	small := lower(line)
	by := ""
	var out []pattern
	for _, s := range r.signs {
		if s.end(small) < 0 {
			continue
		}
		if by == "" {
			if by = writer(line); by == "" {
				return nil
			}
		}
		if !slices.Contains(s.of, by) {
			continue
		}
		if s.source == "" {
			s.source = by
		}
		out = append(out, s)
	}
	return out
}

// end is where the text of a sign ends in a line; -1: it is not there.
func (s pattern) end(line string) int {
	for _, words := range s.has {
		i := strings.Index(line, words)
		if i < 0 {
			continue
		}
		if s.form != nil && !s.form.MatchString(line) || s.lacks != nil && s.lacks.MatchString(line) {
			return -1
		}
		return i + len(words)
	}
	return -1
}

// excerpt is a line as it may be shown. Of one that is too long the beginning is
// kept, where its time is, and what stands before the sign, where its address is.
func (s pattern) excerpt(line string) string {
	const front, behind = 80, 20
	line = masked(line)
	end := s.end(lower(line))
	if end+behind <= maxWords {
		return plainText(line, maxWords)
	}
	const dots = " ... "
	end = min(end+behind, len(line))
	back := line[max(front, end-(maxWords-front-len(dots))):end]
	return plainText(line[:front], front) + dots + plainText(back, maxWords-front-len(dots))
}

// lower makes small letters of the ASCII ones: every byte stays where it is.
func lower(line string) string {
	out := []byte(line)
	for i, b := range out {
		if 'A' <= b && b <= 'Z' {
			out[i] = b + 'a' - 'A'
		}
	}
	return string(out)
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
