// SPDX-License-Identifier: Apache-2.0

package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"whohas/dataplane"
)

// reversePath is the filter that people switch off first. It is not what drops the
// owner's packets: that is a check before it, of sources that are the receiver's own
// (linux net/ipv4/fib_frontend.c fib_validate_source; lab reverse-path).
func reversePath(l *look) []Check {
	const name = "reverse-path filter"
	if c, ok := l.notRead(name, "sysctls"); ok {
		return []Check{c}
	}
	strict := l.host.Sysctls["net.ipv4.conf.all.rp_filter"] == "1"
	text := "not strict"
	if strict {
		text = "strict"
	}
	c := Check{Name: name, Outcome: OK, Text: text, Evidence: []string{"net.ipv4.conf.all.rp_filter=" + l.host.Sysctls["net.ipv4.conf.all.rp_filter"]}}
	if n, ok := l.host.Counters["TcpExt.IPReversePathFilter"]; ok {
		c.Text += fmt.Sprintf("; it has dropped %d packets", n)
	}
	if n := l.host.Counters["rt_cache.in_martian_src"]; n > 0 {
		c.Text += fmt.Sprintf("; %d martians were seen by this machine, in whichever namespace", n)
		c.Evidence = append(c.Evidence, "/proc/net/stat/rt_cache in_martian_src")
	}
	if n := l.notices("martian"); len(n) > 0 {
		c.Evidence = append(c.Evidence, quote(n)...)
	}
	return []Check{c}
}

// firewall looks for rules that drop or reject and that are neither kube-proxy's
// nor the network plugin's. It counts them; what they match is not judged.
func firewall(l *look) []Check {
	const name = "firewall"
	if c, ok := l.notRead(name, "iptables"); ok {
		return []Check{c}
	}
	var signs []string
	for i := range l.host.Tables {
		t := &l.host.Tables[i]
		if t.Backend == "nftables" && t.Name == "firewalld" {
			signs = append(signs, "nftables table firewalld")
		}
		if t.Name != "filter" || t.Backend == "nftables" {
			continue
		}
		for _, c := range t.Chains {
			if c.Policy == "DROP" && (c.Name == "INPUT" || c.Name == "OUTPUT") {
				signs = append(signs, fmt.Sprintf("%s's policy is DROP (%s)", c.Name, t.Family))
			}
			if n := refusals(c); n > 0 {
				signs = append(signs, fmt.Sprintf("%s of chain %s refuse packets", plural(n, "rule", "rules"), c.Name))
			}
		}
	}
	if len(signs) > 0 {
		return []Check{{Name: name, Outcome: OK, Text: "rules of somebody's own are there; what they match was not judged", Evidence: signs[:min(len(signs), 6)], weight: weakSign}}
	}
	return []Check{{Name: name, Outcome: OK, Text: "no rule but kube-proxy's and the network plugin's refuses anything"}}
}

// plugins are the chains of programs that are part of the cluster.
var plugins = []string{"KUBE-", "cali-", "CILIUM_", "CNI-", "FLANNEL-", "DOCKER", "ANTREA-", "WEAVE-", "OVN-"}

func refusals(c dataplane.Chain) int {
	if slices.ContainsFunc(plugins, func(p string) bool { return strings.HasPrefix(c.Name, p) }) {
		return 0
	}
	n := 0
	for _, rule := range c.Rules {
		if strings.Contains(rule, "-j DROP") || strings.Contains(rule, "-j REJECT") {
			n++
		}
	}
	return n
}

// selinux looks for what SELinux has denied.
func selinux(l *look) []Check {
	const name = "selinux"
	if c, ok := l.notRead(name, "notices"); ok {
		return []Check{c}
	}
	if n := l.notices("denial"); len(n) > 0 {
		return []Check{{Name: name, Outcome: Problem, Text: "it has denied something", Evidence: quote(n), weight: weakSign}}
	}
	return []Check{{Name: name, Outcome: OK, Text: "no log tells of a denial"}}
}
