#!/bin/sh
# Takes @IP@ off the service device of this host and keeps it off, until it has not
# come back for 65 s, at most 10 minutes (kube-router: 330 s and 15 minutes). Run it as
# root on each host that holds the address, never on its owner. Written by whohas repair
# --print-script.
ip=@IP@ bits=@BITS@
limit=600 quiet=65
judged=@JUDGED@ # yes: whohas saw on a host that the address is no ClusterIP

PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }
refuse() {
    say "$*: nothing is done"
    exit 2
}
held() { ip @FAMILY@ -o addr show dev "$1" 2>/dev/null | grep -qF " $ip/"; }
# The seconds since the host was started, which no change of the clock moves.
seconds() {
    read -r up _ </proc/uptime || exit 2
    printf '%s\n' "${up%%.*}"
}

# Whether a set has the address: 0 yes, 1 no, 2 nobody can tell.
in_set() {
    members=$(ipset list "$1" 2>/dev/null) || return 2
    printf '%s\n' "$members" | grep -q '^@PATTERN@,'
}
# Whether a device leads to other hosts: a card, a bond or bridge of cards, or the
# device of the default route.
leads_out() {
    for card in "/sys/class/net/$1/device" "/sys/class/net/$1"/lower_*/device; do
        [ -e "$card" ] && return 0
    done
    ip @FAMILY@ route show default 2>/dev/null | grep -qF " dev $1 "
}
# Whether the address is in a subnet of this host, where other hosts are.
on_subnet() {
    ip @FAMILY@ route show match "$ip" proto kernel 2>/dev/null | {
        while read -r to _ device _; do
            case $to in default | */0) continue ;; esac
            case $device in kube-ipvs0 | kube-dummy-if | '') continue ;; esac
            leads_out "$device" && exit 0
        done
        exit 1
    }
}

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
if ip @FAMILY@ -o addr show | grep -F " $ip/" | grep -qvE '^[0-9]+: (kube-ipvs0|kube-dummy-if) '; then
    refuse "$ip is this host's own"
fi
known=no
for set in KUBE-CLUSTER-IP KUBE-6-CLUSTER-IP; do
    in_set "$set"
    case $? in
    0) refuse "$ip is a ClusterIP" ;;
    1) known=yes ;;
    esac
done
if [ $known = no ] && [ "$judged" = no ] && ! on_subnet; then
    refuse "whether $ip is a ClusterIP is not known here (ipset does not say so), and it is in no subnet of this host"
fi

begun=$(seconds) || refuse "/proc/uptime cannot be read, and another clock may be set meanwhile"
last=$begun
say "keeping $ip off $device"
while :; do
    now=$(seconds)
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
