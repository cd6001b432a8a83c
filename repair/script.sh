#!/bin/sh
# Gives this host its way to @IP@ back, which a service device of its own holds: by a
# routing rule that leads past the local table, and takes the rule back when the address
# has been off for 65 s. Where no rule can be put it takes the address off and keeps it
# off for so long. At most 10 minutes (kube-router: 330 s and 15 minutes); then the rule
# stands, and running this again goes on. Run it as root on each host that holds the
# address, never on its owner. Written by whohas repair --print-script.
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

# Whether another device has the address: then it is this host's own.
own() { ip @FAMILY@ -o addr show | grep -F " $ip/" | grep -qvE '^[0-9]+: (kube-ipvs0|kube-dummy-if) '; }

rule() { ip @FAMILY@ rule "$@"; }
# Whether the rule of this script stands.
ruled() { rule show 2>/dev/null | grep -q '^0:.*to @PATTERN@ goto 1'; }
# Puts it. The local table's rule is put again behind it, and then the first one is taken:
# the local table is never without. A step that fails ends the chain, and all is as before.
put_rule() {
    [ "@FAMILY@" = -4 ] || return 1 # IPv6 needs a route as well: whohas puts it
    if ruled; then
        settle
    else
        # No other rule has the preference of the local table's.
        [ "$(rule show 2>/dev/null | grep -c '^0:')" = 1 ] && rule show | grep -q '^0:[[:space:]]*from all lookup local *$' || return 1
        rule add pref 1 type nop protocol kernel 2>/dev/null
        rule add pref 0 to $ip goto 1 protocol kernel &&
            rule add pref 0 lookup local protocol boot &&
            rule del pref 0 lookup local protocol kernel &&
            rule add pref 0 lookup local protocol kernel &&
            rule del pref 0 lookup local protocol boot
    fi
    case $(ip @FAMILY@ route get $ip 2>/dev/null) in
    "$ip "*) return 0 ;;
    esac
    take_rule
    return 1
}
# A run that was killed half way may leave two rules of the local table, or one that is not
# the kernel's, or one before this script's: now there is one, the kernel's, behind it.
settle() {
    rule add pref 0 lookup local protocol static 2>/dev/null
    ip -d @FAMILY@ rule show 2>/dev/null | grep -q '^0:.*lookup local proto static' || return 1
    rule del pref 0 lookup local protocol kernel 2>/dev/null
    rule del pref 0 lookup local protocol boot 2>/dev/null
    rule add pref 0 lookup local protocol kernel && rule del pref 0 lookup local protocol static
}
take_rule() {
    ruled && settle
    rule del pref 0 to $ip goto 1 2>/dev/null
    rule show 2>/dev/null | grep -q 'goto 1$' || rule del pref 1 type nop 2>/dev/null
}

device=
for d in kube-ipvs0 kube-dummy-if; do
    if held "$d"; then device=$d; fi
done
# kube-router syncs every five minutes.
if [ "$device" = kube-dummy-if ]; then limit=900 quiet=330; fi
if own; then
    ruled && take_rule
    refuse "$ip is this host's own"
fi
if [ -z "$device" ] && ! ruled; then
    say "no service device holds $ip here: nothing is done"
    exit 0
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
by=hold
if put_rule; then
    by=rule
    say "a routing rule leads past $ip: this host reaches its owner"
else
    say "keeping $ip off $device"
fi
while :; do
    now=$(seconds)
    if [ $by = rule ] && own; then
        take_rule
        say "$ip is this host's own now: the rule is taken back"
        exit 2
    fi
    if held "${device:-kube-ipvs0}"; then
        if [ $by = rule ]; then
            last=$now
        elif ip addr del "$ip/$bits" dev "$device"; then
            say "taken off"
            last=$now
        elif held "$device"; then
            say "could not take it off: run this as root"
            exit 2
        fi
    fi
    if [ $((now - last)) -ge $quiet ]; then
        if [ $by = rule ]; then take_rule; fi
        say "it has not come back for $quiet s; see whether the Node is Ready"
        exit 0
    fi
    if [ $((now - begun)) -ge $limit ]; then
        say "it came back until now: the Service still claims it, or kube-proxy does not reach the apiserver"
        [ $by = hold ] || say "the rule stands; run this again"
        exit 1
    fi
    sleep 0.1 2>/dev/null || sleep 1
done
