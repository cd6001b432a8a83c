#!/bin/sh
# Captures what this host's kernel holds, for "whohas --bundle FILE":
#
#     sh capture.sh > cdev02.txt
#     sh capture.sh /host > cdev02.txt     where the host's files are below /host
#
# It changes nothing and loads no kernel module. As root it sees everything.

PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
LC_ALL=C
export PATH LC_ALL
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
root=${1:-/}
root=${root%/}
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

# What runs on the host. Only the names of processes are shown, never their command
# lines, of which some have secrets.

# network PID: the network namespace that a process is in.
network() { ls -l "/proc/$1/ns/net" 2>/dev/null | sed 's/.*-> //'; }

# words PID: its command line, a word a line; for this script's own use.
words() { tr '\000' '\n' <"/proc/$1/cmdline"; }

programs='kubelet
kube-proxy
kube-apiserver
kube-controller
kube-scheduler
etcd
containerd
dockerd
crio
k3s
k3s-server
k3s-agent
rke2
kubelite
calico-node
bird
bird6
flanneld
cilium-agent
antrea-agent
kube-router
kube-vip
keepalived
haproxy
nginx
speaker
systemd-network'

# agents: the number and name of each that is in this network namespace.
agents() {
	own=$(network self)
	grep -HsxF -e "$programs" /proc/[0-9]*/comm | while IFS=: read -r file name; do
		pid=${file#/proc/}
		pid=${pid%/comm}
		theirs=$(network "$pid")
		if [ -z "$theirs" ] && [ -d "/proc/$pid" ] && [ "$(id -u)" != 0 ]; then
			printf 'denied %s\n' "$pid"
		elif [ "$theirs" = "$own" ]; then
			[ "$name" != calico-node ] || words "$pid" | grep -qx -e -felix || continue
			[ "$name" != kube-controller ] || name=kube-controller-manager
			printf '%s %s\n' "$pid" "$name"
		fi
	done
}

# ask PORT/PATH: what an agent answers on loopback: "answer PORT/PATH BODY CODE".
if have curl; then
	ask() {
		body=$(bounded curl -q -s -m 1 -w ' %{http_code}' "http://127.0.0.1:$1" 2>/dev/null </dev/null)
		case $? in
		0) printf 'answer %s %s\n' "$1" "$(printf '%s' "$body" | tr '\n' ' ')" ;;
		7) printf 'answer %s refused\n' "$1" ;;
		28 | 124) printf 'answer %s silence\n' "$1" ;;
		52 | 56) printf 'answer %s reset\n' "$1" ;;
		*) printf 'answer %s unclear\n' "$1" ;;
		esac
	}
elif have wget; then
	once=
	if wget --help 2>&1 | grep -q -e --tries; then once='-t 1'; fi # busybox has none
	ask() {
		# shellcheck disable=SC2086 # once is two words, or none
		if body=$(bounded wget -q -T 1 $once -O - "http://127.0.0.1:$1" 2>/dev/null </dev/null); then
			printf 'answer %s %s 200\n' "$1" "$(printf '%s' "$body" | tr '\n' ' ')"
			return
		fi
		# shellcheck disable=SC2086
		body=$(bounded wget -S -T 1 $once -O - "http://127.0.0.1:$1" 2>&1 >/dev/null </dev/null)
		code=$(printf '%s\n' "$body" | sed -n 's|.*HTTP/1\.[01] \([0-9][0-9][0-9]\).*|\1|p' | head -n 1)
		case $code:$body in
		:*efused*) printf 'answer %s refused\n' "$1" ;;
		:*timed\ out*) printf 'answer %s silence\n' "$1" ;;
		:*) printf 'answer %s unclear\n' "$1" ;;
		*) printf 'answer %s %s\n' "$1" "$code" ;;
		esac
	}
else
	ask() { :; }
fi

if [ -r /proc/uptime ] && have ls && have tr; then
	found=$(agents)
	say run agents
	sed 's/^/uptime /' /proc/uptime
	printf '%s\n' "$found" | while read -r pid name; do
		case $pid in
		'') ;;
		denied) printf 'denied %s\n' "$name" ;;
		# Up to the time of its start, field 22; behind it stand addresses of memory.
		*) sed 's/^\([0-9]* (.*) [A-Za-z]\( -\{0,1\}[0-9]*\)\{19\}\).*/process \1/' "/proc/$pid/stat" 2>/dev/null ;;
		esac
	done
	case $found in
	*kubelet* | *kube-proxy* | *k3s* | *kubelite*)
		for door in 10248/healthz 10256/healthz 10249/proxyMode; do ask $door; done
		;;
	esac
	say exit 0
else
	found=
	say missing agents "ls and tr are not installed"
fi

# Of files that say where servers are, only the lines that do, taken apart: beside
# them stand certificates, keys and tokens. What is none of an address is masked.

sp='[[:space:]]*'
q="[\"']\\{0,1\\}"            # a quote, or none
addr='[][A-Za-z0-9.:/,%_-]*' # what addresses are made of
list='[][A-Za-z0-9.:/,%_=-]*'

# from_FORM: "NUMBER:KEY VALUE" of what comes as "NUMBER:LINE".
from_kubeconfig() {
	sed -n -e "s|^\\([0-9]*:\\)[[:space:]-]*${q}server$q:$sp$q\\($addr\\)$q,\\{0,1\\}$sp\$|\\1server \\2|p" -e t \
		-e "s|^\\([0-9]*:\\)\\(.*[^A-Za-z0-9_.-]\\)\\{0,1\\}server$q:.*|\\1***|p"
}

flags=
for name in advertise-address etcd-servers initial-cluster listen-client-urls master server; do
	flags="$flags
s|^\\([0-9]*:\\)[[:space:]-]*$q--$name[=[:space:]]$sp$q\\($list\\)$q$sp\$|\\1$name \\2|p
t
s|^\\([0-9]*:\\).*--$name[]=,\"'[:space:]].*|\\1***|p
t"
done
from_flags() { sed -n -e '/[$](/d' -e "$flags"; }

pod=
for name in kube-apiserver etcd kube-controller-manager kube-scheduler kube-proxy; do
	pod="$pod
s|^\\([0-9]*:\\)[[:space:]-]*\\(name:\\)\\{0,1\\}$sp$q$name$q$sp\$|\\1program $name|p
t"
done
for name in command args image; do
	pod="$pod
s|^\\([0-9]*:\\)$sp-$sp$name:.*|\\1program -|p
t"
done
from_pod() { sed -n -e '/[$](/d' -e "$pod" -e "$flags"; }

vip=
for name in address vip_address port cp_enable; do
	vip="$vip
/^[0-9]*:[[:space:]-]*name:$sp$q$name$q$sp\$/{
N
s|.*\\n\\([0-9]*:\\)${sp}value:$sp$q\\($addr\\)$q$sp\$|\\1$name \\2|p
}"
done
from_vip() { sed -n -e "$vip"; }

from_variable() {
	sed -n -e "s|^\\([0-9]*:\\)\\(export \\)\\{0,1\\}\\([KR][3K][SE]2\\{0,1\\}_URL\\)=$q\\([a-z]*://$addr\\)$q$sp\$|\\1\\3 \\4|p" -e t \
		-e 's|^\([0-9]*:\)\(export \)\{0,1\}[KR][3K][SE]2\{0,1\}_URL=.*|\1***|p'
}

from_resolver() { sed -n 's|^\([0-9]*:\)[[:space:]]*nameserver[[:space:]]\{1,\}\([0-9A-Za-z.:%]*\).*|\1nameserver \2|p'; }

# from_ntp reads what chrony, ntpd and systemd-timesyncd are told.
clock=
for name in server peer pool; do
	clock="$clock
s|^\\([0-9]*:\\)$sp$name[[:space:]]\\{1,\\}\\(-[46][[:space:]]\\{1,\\}\\)\\{0,1\\}\\([^[:space:]]\\{1,\\}\\).*|\\1ntp \\3|p
t"
done
from_ntp() { sed -n -e "$clock" -e "s|^\\([0-9]*:\\)${sp}NTP=$sp\\([^[:space:]].*\\)|\\1ntp \\2|p"; }

from_list() { sed -n -e "s|^\\([0-9]*:\\)\\([][{}\"' A-Za-z0-9.:/,_-]*\\)\$|\\1list \\2|p" -e t -e 's|^\([0-9]*:\).*|\1***|p'; }

balancer=
for name in backend listen; do
	balancer="$balancer
s|^\\([0-9]*:\\)$sp$name[[:space:]]\\{1,\\}\\([A-Za-z0-9._:-]*\\).*|\\1group \\2|p
t"
done
for name in global defaults frontend peers resolvers userlist program mailers cache ring; do
	balancer="$balancer
s|^\\([0-9]*:\\)$sp$name[[:space:]]*\$|\\1group -|p
s|^\\([0-9]*:\\)$sp$name[[:space:]].*|\\1group -|p
t"
done
from_balancer() {
	sed -n -e 's|#.*||' -e 't comment' -e ': comment' -e "$balancer" \
		-e "s|^\\([0-9]*:\\)${sp}upstream[[:space:]]*\\([A-Za-z0-9._-]*\\)$sp{$sp\$|\\1group \\2|p" -e t \
		-e "s|^\\([0-9]*:\\)${sp}server$sp{.*|\\1group -|p" -e t \
		-e "s|^\\([0-9]*:\\)${sp}server[[:space:]]\\{1,\\}\\($addr\\);.*|\\1member \\2|p" -e t \
		-e "s|^\\([0-9]*:\\)${sp}server[[:space:]]\\{1,\\}\\($addr\\)[[:space:]][^;]*;.*|\\1member \\2|p" -e t \
		-e "s|^\\([0-9]*:\\)${sp}server[[:space:]]\\{1,\\}[A-Za-z0-9._-]*[[:space:]]\\{1,\\}\\($addr\\).*|\\1member \\2|p" -e t \
		-e 's|^\([0-9]*:\).*upstream.*{.*|\1***|p'
}

# inside FILE: where a file is for the programs on the host: a link to /run leads
# below the root.
inside() {
	to=
	if [ -n "$root" ] && [ -L "$1" ]; then to=$(ls -ld "$1" | sed 's/.* -> //'); fi
	case $to in
	/*) printf '%s\n' "$root$to" ;;
	*) printf '%s\n' "$1" ;;
	esac
}

# told FORM PROGRAM FILE
told() {
	case $3 in *"
"*) return 0 ;; esac # its name would be read as lines of this script's
	real=$(inside "$3")
	[ -f "$real" ] || return 0
	say run told "$1" "$2" "${3#"$root"}"
	if [ -r "$real" ]; then
		bounded grep -n '' "$real" </dev/null | sed -e 's|://[^/@]*@|://|g' -e '/^[0-9]*:[[:space:]]*#/d' | "from_$1"
		say exit 0
	else
		say said "Permission denied"
		say exit 1
	fi
}

# whose FILE: the program by the name of its credentials.
whose() {
	name=${1##*/}
	name=${name%.*}
	case $name in
	kubecfg-kube-node) echo kubelet ;;
	kubecfg-*) echo "${name#kubecfg-}" ;;
	proxy | kubeproxy) echo kube-proxy ;;
	controller) echo kube-controller-manager ;;
	scheduler) echo kube-scheduler ;;
	client) echo kubectl ;;
	*) echo "$name" ;;
	esac
}

servers() {
	k=$root/etc/kubernetes
	told kubeconfig kubelet "$k/kubelet.conf"
	told kubeconfig kubelet "$k/bootstrap-kubelet.conf"
	told kubeconfig kubectl "$k/admin.conf"
	told kubeconfig kubectl "$k/super-admin.conf"
	told kubeconfig kube-controller-manager "$k/controller-manager.conf"
	told kubeconfig kube-scheduler "$k/scheduler.conf"
	for file in "$k"/kube-proxy/kubeconfig.conf "$root"/var/lib/kubelet/pods/*/volumes/kubernetes.io~configmap/*/kubeconfig.conf; do
		told kubeconfig kube-proxy "$file"
	done
	for file in "$k"/ssl/kubecfg-kube-*.yaml "$root"/var/snap/microk8s/current/credentials/*.config \
		"$root"/var/lib/rancher/k3s/agent/*.kubeconfig "$root"/var/lib/rancher/rke2/agent/*.kubeconfig; do
		told kubeconfig "$(whose "$file")" "$file"
	done
	for file in "$root"/var/snap/microk8s/current/args/*; do told flags "${file##*/}" "$file"; done
	told list apiserver-proxy "$root/var/snap/microk8s/current/args/apiserver-proxy-config"
	told list traefik "$root/var/snap/microk8s/current/args/traefik/provider.yaml"
	told balancer nginx "$root/etc/nginx/nginx.conf"
	told balancer haproxy "$root/etc/haproxy/haproxy.cfg"
	for file in "$k"/manifests/* "$root"/var/lib/rancher/rke2/agent/pod-manifests/*; do
		if grep -qs "name:$sp${q}kube-vip$q$sp\$" "$file"; then told vip kube-vip "$file"; else told pod - "$file"; fi
	done
	for name in k3s rke2; do
		told kubeconfig kubectl "$root/etc/rancher/$name/$name.yaml"
		for file in "$root/etc/rancher/$name/config.yaml" "$root/etc/rancher/$name"/config.yaml.d/*.yaml; do told kubeconfig $name "$file"; done
		for file in "$root/var/lib/rancher/$name"/agent/etc/*-load-balancer.json; do
			who=${file##*/}
			told list "${who%%-*}" "$file"
		done
	done
	for file in etc/systemd/system/k3s-agent.service.env etc/systemd/system/k3s.service.env \
		usr/local/lib/systemd/system/rke2-agent.env usr/local/lib/systemd/system/rke2-server.env; do
		told variable - "$root/$file"
	done
	for file in "$root/etc/chrony.conf" "$root/etc/chrony/chrony.conf" "$root"/etc/chrony/conf.d/*.conf "$root"/etc/chrony/sources.d/*.sources \
		"$root"/etc/chrony.d/*.conf; do
		told ntp chronyd "$file"
	done
	for file in "$root/etc/ntp.conf" "$root/etc/ntpsec/ntp.conf"; do told ntp ntpd "$file"; done
	for file in "$root/etc/systemd/timesyncd.conf" "$root"/etc/systemd/timesyncd.conf.d/*.conf; do told ntp systemd-timesyncd "$file"; done
	told resolver - "$root/etc/resolv.conf"
	if grep -qs '^nameserver[[:space:]]*127\.0\.0\.53' "$(inside "$root/etc/resolv.conf")"; then
		told resolver - "$root/run/systemd/resolve/resolv.conf"
	fi
	printf '%s\n' "$found" | while read -r pid name; do
		[ -r "/proc/$pid/cmdline" ] || continue
		words "$pid" | sed -n -e 's|^--*\(bootstrap-\)\{0,1\}kubeconfig=\(/.*\)|\2|p' -e '/^--*\(bootstrap-\)\{0,1\}kubeconfig$/{' -e n -e 's|^/|/|p' -e '}' |
			while IFS= read -r file; do told kubeconfig "$name" "$root$file"; done
	done
}

if have ls && have tr; then
	servers=$(servers)
	[ -z "$servers" ] || printf '%s\n' "$servers"
	# Of /etc/hosts the lines with names of those servers.
	names=$(printf '%s\n' "$servers" | sed -e '/^###/d' | tr ',"{} ' '\n\n\n\n\n' | sed -n -e 's|.*://||' -e 's|[:/].*||' -e '/[A-Za-z]/p')
	if [ -n "$names" ] && [ -r "$root/etc/hosts" ]; then
		say run told hosts - /etc/hosts
		grep -niF -e "$names" "$root/etc/hosts" | sed -e 's|#.*||' -e 's|^\([0-9]*:\)|\1hosts |'
		say exit 0
	fi
	say run told
	say exit 0
else
	say missing told "ls and tr are not installed"
fi

asked=
lost=
for socket in run/bird.ctl var/run/bird.ctl run/bird6.ctl var/run/bird6.ctl run/bird/bird.ctl \
	run/calico/bird.ctl var/run/calico/bird.ctl run/calico/bird6.ctl var/run/calico/bird6.ctl; do
	case $socket in var/run/*) [ -L "$root/var/run" ] && continue ;; esac
	[ -S "$root/$socket" ] || continue
	asked=yes
	if have birdcl; then
		run birdcl -s "$root/$socket" show protocols all
	elif have birdc; then
		run birdc -s "$root/$socket" show protocols all
	else
		lost="birdcl is not installed"
	fi
done
if [ "$lost" ] && [ -z "$root" ] && have calicoctl; then
	run calicoctl node status && lost=
fi
for socket in run/frr/bgpd.vty var/run/frr/bgpd.vty; do
	if [ -S "$root/$socket" ]; then lost="FRR's bgpd runs here, which only its own vtysh can ask"; fi
done
if [ "$lost" ]; then
	say missing sessions "$lost"
elif [ "$asked" ]; then
	say run sessions
	say exit 0
else
	say none sessions "no BIRD runs here: it has no control socket"
fi

# The lines that have an address of no meaning, and drops.
say run counters
{
	grep -Hs '' /proc/self/net/stat/rt_cache /proc/self/net/stat/nf_conntrack
	grep -Hs '^TcpExt:' /proc/self/net/netstat
	grep -Hs '^Ip:' /proc/self/net/snmp
} </dev/null
say exit 0
say end
