// SPDX-License-Identifier: Apache-2.0

package repair

import (
	_ "embed"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

//go:embed script.sh
var script string

// Script is what repair --apply does on a host, as a shell script for hosts where
// this program is not: by rule, or by holding off where no rule can be put. It needs sh,
// grep and ip. It neither asks the apiserver nor sees kube-proxy's syncs, so it stops when
// the address has not come back for 65 s: twice
// kube-proxy's longest pause between two syncs (kubernetes
// pkg/proxy/apis/config/v1alpha1/defaults.go, ipvs.syncPeriod 30 s); kube-router's is five
// minutes (kube-router pkg/options/options.go). Its clock is /proc/uptime, which nobody
// sets (linux fs/proc/uptime.c).
//
// Only the plan's address goes into it. The plan must have one.
func Script(p Plan) string {
	ip, family := p.Address.WithZone(""), "-4"
	if ip.Is6() {
		family = "-6"
	}
	return strings.NewReplacer(
		"@IP@", ip.String(), "@PATTERN@", strings.ReplaceAll(ip.String(), ".", `\.`), "@BITS@", strconv.Itoa(ip.BitLen()),
		"@FAMILY@", family, "@JUDGED@", judged(p, ip),
	).Replace(script)
}

// judged is "yes" where a host has been seen on which the address may be taken off, so
// that it is no ClusterIP there; nor then is it elsewhere in the cluster.
func judged(p Plan, ip netip.Addr) string {
	if slices.ContainsFunc(p.Targets, func(t Target) bool { return t.Prefix.Addr().WithZone("") == ip }) {
		return "yes"
	}
	return "no"
}
