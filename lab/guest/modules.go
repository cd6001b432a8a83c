// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// moduleFolder is where Debian's package user-mode-linux has its modules.
const moduleFolder = "/usr/lib/uml/modules"

// basic are the modules that hosts need.
var basic = []string{"ipv6", "veth", "bridge", "dummy", "ipip", "vxlan"}

// wanted are those that components need beside them. They are loaded
// beforehand and by system call: a kernel that asks for a module by itself runs
// /sbin/modprobe, which looks where these are not, and every fork is dear.
// kube-proxy of 1.25 falls back to iptables without ip_vs_wrr and ip_vs_sh; that
// of 1.36 cannot load its rules without xt_physdev.
var wanted = []string{
	"br_netfilter",
	"ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "ip_vs_lc", "nf_conntrack",
	"ip_tables", "iptable_filter", "iptable_nat", "iptable_mangle", "iptable_raw",
	"ip6_tables", "ip6table_filter", "ip6table_nat", "ip6table_mangle",
	"ip_set", "ip_set_hash_ip", "ip_set_hash_ipport", "ip_set_hash_ipportip", "ip_set_hash_ipportnet",
	"ip_set_hash_net", "ip_set_bitmap_port", "ip_set_list_set",
	"xt_set", "xt_physdev", "xt_comment", "xt_mark", "xt_conntrack", "xt_addrtype", "xt_multiport", "xt_nat",
	"xt_tcpudp", "xt_statistic", "xt_recent", "xt_MASQUERADE", "xt_REDIRECT", "xt_NETMAP", "ipt_REJECT", "ip6t_REJECT", "xt_LOG",
	"xt_state", "xt_CT", "xt_nfacct", "nfnetlink_acct", "xt_limit", "xt_ipvs",
	"nf_log_syslog", "af_packet",
}

// loadModules loads modules and what they depend on.
func loadModules(names []string) error {
	base := filepath.Join(moduleFolder, kernelRelease())
	l := loader{base: base, needs: map[string][]string{}, files: map[string]string{}, loaded: map[string]bool{}}
	if err := l.index(); err != nil {
		return fmt.Errorf("load modules: %w", err)
	}
	for _, n := range names {
		if err := l.load(n); err != nil {
			return fmt.Errorf("load module %s: %w", n, err)
		}
	}
	// From here on the kernel asks nobody for modules. iptables has it ask for
	// those of built-in targets at every call, and each time a modprobe is born
	// that finds nothing (linux kernel/module/kmod.c __request_module: an empty
	// path means that modules are not asked for).
	if err := os.WriteFile("/proc/sys/kernel/modprobe", []byte("\n"), 0); err != nil {
		return fmt.Errorf("load modules: %w", err)
	}
	return nil
}

type loader struct {
	base   string
	needs  map[string][]string // module: files of what it needs
	files  map[string]string
	loaded map[string]bool
}

// index reads modules.dep: "FILE: FILE..." with paths below the folder.
func (l *loader) index() error {
	f, err := os.Open(filepath.Join(l.base, "modules.dep"))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		file, needs, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			continue
		}
		name := moduleName(file)
		l.files[name] = file
		for _, n := range strings.Fields(needs) {
			l.needs[name] = append(l.needs[name], moduleName(n))
		}
	}
	return lines.Err()
}

// moduleName is what a file's module calls itself.
func moduleName(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(path.Base(file), ".ko"), "-", "_")
}

func (l *loader) load(name string) error {
	file, ok := l.files[name]
	if !ok || l.loaded[name] {
		return nil // built in, or not built at all: whoever needs it will say so
	}
	l.loaded[name] = true
	for _, n := range l.needs[name] {
		if err := l.load(n); err != nil {
			return err
		}
	}
	fd, err := unix.Open(filepath.Join(l.base, file), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.FinitModule(fd, "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
