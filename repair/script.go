// SPDX-License-Identifier: Apache-2.0

package repair

import (
	"fmt"
	"net/netip"
)

// Script is what repair --apply does on a host, as a shell script for hosts where
// this program is not. It needs sh and ip. It neither asks the apiserver nor sees
// kube-proxy's syncs, so it stops when the address has not come back for 65 s: twice
// kube-proxy's longest pause between two syncs (kubernetes
// pkg/proxy/apis/config/v1alpha1/defaults.go, ipvs.syncPeriod 30 s); kube-router's is five
// minutes (kube-router pkg/options/options.go).
func Script(ip netip.Addr) string {
	family := "-4"
	if ip.Is6() {
		family = "-6"
	}
	return fmt.Sprintf(scriptText, ip, ip.BitLen(), family)
}

const scriptText = `#!/bin/sh
# Takes %[1]s off the service device of this host and keeps it off, until it has not
# come back for 65 s, at most 10 minutes (kube-router: 330 s and 15 minutes). Run it as root on each host that holds the
# address, never on its owner. Written by whohas repair --print-script.
ip=%[1]s bits=%[2]d
limit=600 quiet=65

say() { echo "$(date +%%H:%%M:%%S) $*"; }
held() { ip %[3]s -o addr show dev "$1" 2>/dev/null | grep -qF " $ip/"; }

device=
for d in kube-ipvs0 kube-dummy-if; do
    if held "$d"; then device=$d; fi
done
# kube-router syncs every five minutes.
if [ "$device" = kube-dummy-if ]; then limit=900 quiet=330; fi
if [ -z "$device" ]; then
    say "no service device holds $ip here: nothing is done"
    exit 0
fi
if ip %[3]s -o addr show | grep -F " $ip/" | grep -vE '^[0-9]+: (kube-ipvs0|kube-dummy-if) ' >/dev/null; then
    say "$ip is this host's own: nothing is done"
    exit 2
fi
if command -v ipset >/dev/null 2>&1; then
    for set in KUBE-CLUSTER-IP KUBE-6-CLUSTER-IP; do
        if ipset list "$set" 2>/dev/null | grep -q "^$ip,"; then
            say "$ip is a ClusterIP: nothing is done"
            exit 2
        fi
    done
fi

say "keeping $ip off $device"
begun=$(date +%%s) last=$begun
while :; do
    now=$(date +%%s)
    if held "$device"; then
        if ip addr del "$ip/$bits" dev "$device"; then
            say "taken off"
            last=$now
        elif held "$device"; then
            say "could not take it off: run this as root"
            exit 2
        fi
    fi
    if [ $((now - last)) -ge $quiet ]; then
        say "it has not come back for $quiet s; see whether the Node is Ready"
        exit 0
    fi
    if [ $((now - begun)) -ge $limit ]; then
        say "it came back until now: the Service still claims it, or kube-proxy does not reach the apiserver"
        exit 1
    fi
    sleep 0.1 2>/dev/null || sleep 1
done
`
