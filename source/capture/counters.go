// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// counted lists the counters that are kept, as source/host does.
func counted() []string {
	return []string{"rt_cache.in_martian_dst", "rt_cache.in_martian_src", "nf_conntrack.drop", "nf_conntrack.insert_failed",
		"TcpExt.IPReversePathFilter", "Ip.InAddrErrors", "Ip.OutNoRoutes"}
}

// parseCounters reads files of /proc/net as grep -H shows them: a heading of names,
// and below it numbers, of /proc/net/stat one line for each CPU, hexadecimal, of 32
// bits (linux net/ipv4/route.c rt_cpu_seq_show), of netstat and snmp one line behind
// its group (net/ipv4/proc.c snmp_seq_show).
func (b *output) parseCounters() {
	headings := map[string][]string{}
	for i, line := range b.lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		file, rest, ok := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !ok || len(f) == 0 {
			b.complain(i)
			continue
		}
		group, base, bits := path.Base(file), 16, 32
		if group == "netstat" || group == "snmp" {
			group, base, bits, f = strings.TrimSuffix(f[0], ":"), 10, 64, f[1:]
		}
		names, begun := headings[group]
		switch {
		case !begun:
			headings[group] = f
		case len(names) != len(f) || !b.count(group, names, f, base, bits):
			b.complain(i)
		}
	}
}

func (b *output) count(group string, names, values []string, base, bits int) bool {
	for i, name := range names {
		key := group + "." + name
		if !slices.Contains(counted(), key) {
			continue
		}
		n, err := strconv.ParseUint(values[i], base, bits)
		if err != nil {
			return false
		}
		b.facts.any = true
		if b.facts.userspace.counters == nil {
			b.facts.userspace.counters = map[string]uint64{}
		}
		b.facts.userspace.counters[key] += n
	}
	return true
}
