// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"whohas/claim"
	"whohas/cluster"
	"whohas/command"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/snapshot"
)

// Anywhere is where a step is done that only needs the API.
const Anywhere = "anywhere kubectl works"

// removeItem takes one item out of a list of an object: a test operation first,
// so that a list that has changed since is left alone.
func removeItem(kind snapshot.Kind, o *snapshot.Object, f snapshot.Field) *snapshot.Edit {
	pointer := snapshot.Pointer(f.Path)
	return &snapshot.Edit{Kind: kind, On: o.Ref, Subresource: subresource(f.Path), Ops: []snapshot.Op{
		{Op: "test", Path: pointer, Value: f.Text()},
		{Op: "remove", Path: itemPointer(pointer)},
	}}
}

// itemPointer is the list item that a pointer leads into: of
// status.loadBalancer.ingress[0].ip the whole entry goes.
func itemPointer(pointer string) string {
	if p, ok := strings.CutSuffix(pointer, "/ip"); ok {
		return p
	}
	if p, ok := strings.CutSuffix(pointer, "/value"); ok {
		return p
	}
	return pointer
}

func subresource(path string) string {
	if strings.HasPrefix(path, "status.") {
		return "status"
	}
	return ""
}

// Removal makes the steps that take a claim away: where one comma-separated
// field holds several addresses, only this one goes.
func Removal(kind snapshot.Kind, o *snapshot.Object, c claim.Claim, where string) Step {
	f := o.At(c.Origin.Field)
	step := Step{Where: where, Text: fmt.Sprintf("remove %s from %s of %s%s", c.Text, c.Origin.Field, c.By, standsIn(c.Origin))}
	switch {
	case f.Text() == c.Text:
		step.Edit = removeItem(kind, o, f)
	default:
		step.Edit = replaceText(kind, o, f, c.Text)
	}
	return step
}

func replaceText(kind snapshot.Kind, o *snapshot.Object, f snapshot.Field, gone string) *snapshot.Edit {
	var keep []string
	for part := range strings.SplitSeq(f.Text(), ",") {
		if strings.TrimSpace(part) != gone {
			keep = append(keep, part)
		}
	}
	pointer := snapshot.Pointer(f.Path)
	ops := []snapshot.Op{{Op: "test", Path: pointer, Value: f.Text()}}
	if len(keep) == 0 || strings.HasPrefix(f.Text(), "[") {
		ops = append(ops, snapshot.Op{Op: "remove", Path: pointer})
	} else {
		ops = append(ops, snapshot.Op{Op: "replace", Path: pointer, Value: strings.Join(keep, ",")})
	}
	return &snapshot.Edit{Kind: kind, On: o.Ref, Subresource: subresource(f.Path), Ops: ops}
}

func standsIn(o snapshot.Origin) string {
	if o.File == "" || strings.HasPrefix(o.Field, "status.") {
		return "" // nobody applies a status
	}
	return fmt.Sprintf(" (and in %s:%d, or the next apply puts it back)", o.File, o.Line)
}

// ByLoopback is where kubectl works while the apiserver's own address and port lead
// to a Service: the loopback is spared. The address is not, on its own host either,
// nor is the ClusterIP from another host: it is translated again on this one (lab
// iptables-1.36, phase port-6443; IPVS takes what a host sends to itself as well, linux
// net/netfilter/ipvs/ip_vs_core.c on LOCAL_OUT).
func ByLoopback(f *cluster.Facts, t Target) string {
	kubectl := command.Shell("kubectl --server=https://127.0.0.1:{} --tls-server-name={}", strconv.Itoa(int(t.APIPort(f))), t.Address.String())
	return fmt.Sprintf("%s, with %s (the apiserver's loopback, which the Service does not take)",
		cmp.Or(t.Owner.Name, "a host that runs an apiserver"), kubectl)
}

// ForgetRules are the steps for nodes whose kube-proxy has reconnected since a
// Service took the apiserver's address and port: it cannot take away the rule that
// keeps it from learning of the fix, and starting it again does not help (lab
// iptables-1.36 and nftables-1.36, phases reconnect and healed).
func ForgetRules(f *cluster.Facts, at netip.AddrPort, nodes []string) []Step {
	table, program := "ip", "iptables"
	if at.Addr().Is6() {
		table, program = "ip6", "ip6tables"
	}
	step := Step{
		Where: eachOf(nodes),
		Text:  "if the node stays NotReady: take away the rule that kube-proxy there cannot take away, because the rule keeps it from learning of the change",
	}
	switch f.Mode {
	case dataplane.IPTables:
		// xargs and no shell takes the rules apart: their comments are others' words.
		step.Command = command.Shell("{} -t nat -S {} | grep -F -- {} | sed 's/^-A /-D /' | xargs -r -L 1 {} -t nat",
			program, kubeproxy.ServicesChain, fmt.Sprintf(" %s/%d ", at.Addr(), at.Addr().BitLen()), program)
	case dataplane.NFTables:
		step.Command = command.Shell("nft delete element {} {} {} {}", table, kubeproxy.NFTable, kubeproxy.ServiceIPsMap, fmt.Sprintf("{ %s . tcp . %d }", at.Addr(), at.Port()))
	default:
		return nil
	}
	return []Step{step}
}

func eachOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return "each of " + Names(names)
}

// RestartProxy is the step that makes a service proxy forget what it knew: a new
// one does nothing before it has listed the Services.
func RestartProxy(f *cluster.Facts, hosts []string) Step {
	step := Step{
		Where: eachOf(hosts),
		Text:  "restart kube-proxy: it holds to what it heard last; a new one does nothing before it has heard from the apiserver (k3s and RKE2: restart their service)",
	}
	switch {
	case f.KubeRouter:
		step.Text = "restart kube-router: it holds to what it heard last"
		step.Command = command.Shell("crictl stop $(crictl ps -q --name kube-router)")
	default:
		step.Command = command.Shell("crictl stop $(crictl ps -q --name kube-proxy) || docker restart $(docker ps -q --filter name=k8s_kube-proxy)")
	}
	return step
}

// ForgetNeighbour ends what others remember: while the hosts held the address they
// answered ARP for it, and whoever asked sends there until the entry expires.
func ForgetNeighbour(ip netip.Addr) Step {
	return Step{
		Where:   "the other hosts of the network",
		Text:    "make them ask again who has " + ip.String() + ", the gateway too",
		Command: command.Shell("ip neigh flush to {}", ip.String()),
	}
}
