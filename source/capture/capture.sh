#!/bin/sh
# Captures what this host's kernel holds, for "whohas --bundle FILE":
#
#     sh capture.sh > cdev02.txt
#
# It changes nothing and loads no kernel module. As root it sees everything.

PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
LC_ALL=C
export PATH LC_ALL
exec 3>&1

say() { printf '### whohas: %s\n' "$*"; }

have() { command -v "$1" >/dev/null 2>&1; }

# Some timeouts, as of an old busybox, want -t. Then there is none.
if have timeout && timeout 10 true >/dev/null 2>&1; then
	bounded() { timeout 10 "$@"; }
else
	bounded() { "$@"; }
fi

# run COMMAND...: its output, its complaint behind it, and its status.
run() {
	say run "$@"
	said=$(bounded "$@" 2>&1 >&3 </dev/null)
	status=$?
	printf '\n'
	if [ -n "$said" ]; then
		printf '%s\n' "$said" | head -n 3 | while IFS= read -r line; do say said "$line"; done
	fi
	say exit $status
	return $status
}

# tool NAME SECTION: whether the tool is there.
tool() {
	have "$1" && return 0
	say missing "$2" "$1 is not installed"
	return 1
}

# loaded MODULE: whether that part of the kernel is there. To ask the part itself
# may load it.
loaded() {
	[ -d "/sys/module/$1" ] && return 0
	[ -r /proc/modules ] || return 0 # a kernel without modules loads none
	grep -q "^$1 " /proc/modules && return 0
	grep -q "/$1\.ko" "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null
}

say capture 1
say host "$(uname -n)"
run uname -r
run id -u

for file in /usr/share/iproute2/rt_tables /usr/lib/iproute2/rt_tables /etc/iproute2/rt_tables /etc/iproute2/rt_tables.d/*.conf; do
	[ -r "$file" ] && run cat "$file"
done

if tool ip links; then
	run ip -d addr show
	run ip -4 -d route show table all
	run ip -6 -d route show table all
	run ip -4 rule show
	run ip -6 rule show
	run ip neigh show
	run ip neigh show proxy
	tool bridge neighbours && run bridge fdb show
else
	for section in addresses routes policies neighbours; do say missing $section "ip is not installed"; done
	have ifconfig && run ifconfig -a
fi

if [ -e /proc/net/ip_vs ]; then # to ask with ipvsadm would load it
	tool ipvsadm ipvs && run ipvsadm -Sn
else
	say none ipvs "no ip_vs in this kernel"
fi

if loaded ip_set; then
	tool ipset ipset && run ipset save
else
	say none ipset "no ip_set in this kernel"
fi

if loaded nf_tables; then
	if tool nft nftables; then
		run nft -j list ruleset
	fi
	# Which back end the plain name is of, its heading tells.
	if have nft; then tables=$(bounded nft list tables 2>/dev/null); else tables=unknown; fi
	for family in ip ip6; do
		case "
$tables
" in
		*unknown* | *"
table $family nat
"* | *"
table $family filter
"* | *"
table $family mangle
"* | *"
table $family raw
"* | *"
table $family security
"*)
			if have ${family}tables-nft-save; then
				run ${family}tables-nft-save
			else
				say missing iptables "${family}tables-nft-save is not installed"
			fi
			;;
		esac
	done
else
	say none nftables "no nf_tables in this kernel"
fi

# To ask the legacy tables themselves would make them.
for family in ip ip6; do
	version=IPv4
	[ $family = ip6 ] && version=IPv6
	names=/proc/self/net/${family}_tables_names
	if [ ! -e $names ]; then
		say none legacy-$version "no legacy tables in this kernel"
	elif [ -n "$(cat $names 2>/dev/null)" ] || [ ! -r $names ]; then
		if have ${family}tables-legacy-save; then
			run ${family}tables-legacy-save
		elif have ${family}tables-save; then
			run ${family}tables-save
		else
			say missing iptables "${family}tables-save is not installed"
		fi
	else
		say none legacy-$version "no legacy tables in use"
	fi
done

# Not sysctl -a: some settings are secret (net.ipv6.conf.*.stable_secret).
# And by grep, which reads a file at once: the kernel answers a shell that reads byte
# by byte with the first byte.
settings() {
	grep -Hs '' /proc/sys/net/ipv4/ip_forward
	for name in accept_local arp_announce arp_filter arp_ignore forwarding log_martians proxy_arp route_localnet rp_filter src_valid_mark; do
		grep -Hs '' /proc/sys/net/ipv4/conf/*/$name
	done
	for name in disable_ipv6 forwarding; do
		grep -Hs '' /proc/sys/net/ipv6/conf/*/$name
	done
	for name in conntrack conn_reuse_mode expire_nodest_conn expire_quiescent_template; do
		grep -Hs '' /proc/sys/net/ipv4/vs/$name
	done
	for name in arptables ip6tables iptables; do
		grep -Hs '' /proc/sys/net/bridge/bridge-nf-call-$name
	done
}
say run sysctl whohas
settings </dev/null 2>/dev/null | sed -n 's|^/proc/sys/\(.*\):\(.*\)$|\1 = \2|p'
say exit 0

if have ss; then
	run ss -lntup
elif have netstat; then
	run netstat -lntupW
else
	say missing listeners "ss is not installed"
fi
say end
