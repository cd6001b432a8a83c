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
func reversePath(x *examination) []Check {
	const name = "reverse-path filter"
	if c, ok := x.notRead(name, "sysctls"); ok {
		return []Check{c}
	}
	strict := x.host.Sysctls["net.ipv4.conf.all.rp_filter"] == "1"
	text := "not strict"
	if strict {
		text = "strict"
	}
	c := Check{Name: name, Outcome: OK, Text: text, Evidence: []string{"net.ipv4.conf.all.rp_filter=" + x.host.Sysctls["net.ipv4.conf.all.rp_filter"]}}
	if n, ok := x.host.Counters["TcpExt.IPReversePathFilter"]; ok {
		c.Text += fmt.Sprintf("; it has dropped %d packets", n)
	}
	if n := x.host.Counters["rt_cache.in_martian_src"]; n > 0 {
		c.Text += fmt.Sprintf("; %d martians were seen by this machine, in whichever namespace", n)
		c.Evidence = append(c.Evidence, "/proc/net/stat/rt_cache in_martian_src")
	}
	if n := x.logMatches("martian"); len(n) > 0 {
		c.Evidence = append(c.Evidence, quote(n)...)
	}
	return []Check{c}
}

// firewall looks for rules that drop or reject and that are neither kube-proxy's
// nor the network plugin's. One that names the apiserver's address or port is an
// answer; what the others match is not judged.
func firewall(x *examination) []Check {
	const name = "firewall"
	if c, ok := x.notRead(name, "iptables"); ok {
		return []Check{c}
	}
	var signs, named []string
	for i := range x.host.Tables {
		t := &x.host.Tables[i]
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
			refuse := refusals(c)
			if len(refuse) > 0 {
				signs = append(signs, fmt.Sprintf("%s of chain %s refuse packets", plural(len(refuse), "rule", "rules"), c.Name))
			}
			for _, rule := range refuse {
				if x.namesServer(rule) {
					named = append(named, c.Name+" "+rule)
				}
			}
		}
	}
	unreached := slices.ContainsFunc(x.host.Connects, func(d dataplane.ConnectResult) bool { return d.Result != "accepted" })
	switch {
	case len(named) > 0 && unreached:
		return []Check{{Name: name, Outcome: Problem, Text: "a rule of this host refuses what goes to the apiserver", Evidence: named[:min(len(named), 4)], weight: refusedHere}}
	case len(signs) > 0:
		return []Check{{Name: name, Outcome: OK, Text: "rules of somebody's own are there; none names the apiserver, and what else they match was not judged", Evidence: signs[:min(len(signs), 6)]}}
	}
	return []Check{{Name: name, Outcome: OK, Text: "no rule but kube-proxy's and the network plugin's refuses anything"}}
}

// namesServer reports whether a rule names where the apiserver is: its address as
// destination, or its port.
func (x *examination) namesServer(rule string) bool {
	for _, w := range x.host.Configured {
		if w.What != "apiserver" || !w.IP.IsValid() || w.IP.IsLoopback() {
			continue
		}
		if strings.Contains(rule+" ", fmt.Sprintf("-d %s/%d ", w.IP, w.IP.BitLen())) || w.Port != 0 && strings.Contains(rule+" ", fmt.Sprintf("--dport %d ", w.Port)) {
			return true
		}
	}
	return false
}

// plugins are the chains of programs that are part of the cluster.
var plugins = []string{"KUBE-", "cali-", "CILIUM_", "CNI-", "FLANNEL-", "DOCKER", "ANTREA-", "WEAVE-", "OVN-"}

// refusals lists the rules of a chain that drop or reject, where it is nobody's of
// the cluster.
func refusals(c dataplane.Chain) []string {
	if slices.ContainsFunc(plugins, func(p string) bool { return strings.HasPrefix(c.Name, p) }) {
		return nil
	}
	var out []string
	for _, rule := range c.Rules {
		if strings.Contains(rule, "-j DROP") || strings.Contains(rule, "-j REJECT") {
			out = append(out, rule)
		}
	}
	return out
}

// selinux looks for what SELinux has denied.
func selinux(x *examination) []Check {
	const name = "selinux"
	if c, ok := x.notRead(name, "notices"); ok {
		return []Check{c}
	}
	if n := x.logMatches("denial"); len(n) > 0 {
		return []Check{{Name: name, Outcome: Problem, Text: "it has denied something", Evidence: quote(n), weight: byItself}}
	}
	return []Check{{Name: name, Outcome: OK, Text: "no log tells of a denial"}}
}
