// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"whohas/dataplane"
	"whohas/snapshot"
)

// write makes a file as /proc or /sys has them.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestKernelHas(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  bool
		fails bool
	}{
		{"loaded", map[string]string{"proc/modules": "", "sys/module/ip_vs/refcnt": "1"}, true, false},
		{"loaded, no /sys", map[string]string{"proc/modules": "dummy 1 0 - Live 0x0\nip_vs 1 0 - Live 0x0\n"}, true, false},
		{"another of its family is", map[string]string{"proc/modules": "ip_vs_rr 1 0 - Live 0x0\n", "lib/modules.builtin": ""}, false, false},
		{"built in", map[string]string{"proc/modules": "", "lib/modules.builtin": "kernel/net/netfilter/ipvs/ip_vs.ko\n"}, true, false},
		{"on disk only", map[string]string{"proc/modules": "", "lib/modules.builtin": "kernel/net/ipv4/ipip.ko\n"}, false, false},
		{"a kernel without modules may be asked", nil, true, false},
		{"its symbol", map[string]string{"proc/modules": "", "proc/kallsyms": "0000000000000000 T register_ip_vs_scheduler\n"}, true, false},
		{"no symbol", map[string]string{"proc/modules": "", "proc/kallsyms": "0000000000000000 T register_ip_vs_scheduler_x\n"}, false, false},
		{"nobody knows", map[string]string{"proc/modules": ""}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				write(t, dir, name, text)
			}
			k := kernel{proc: filepath.Join(dir, "proc"), sys: filepath.Join(dir, "sys"), modules: filepath.Join(dir, "lib")}
			if got, err := k.has("ip_vs", "register_ip_vs_scheduler"); got != tt.want || (err != nil) != tt.fails {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestParseSockets(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for _, tt := range []struct {
		name, text, err string
		want            []waiting
	}{
		{name: "empty", text: head},
		{name: "listening, connected, without a port", text: head +
			"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 27519 1 0000000000000000 100 0 0 10 0\n" +
			"   1: 720AA8C0:1F90 0101A8C0:0050 01 00000000:00000000 00:00000000 00000000     0        0 27520 1 0000000000000000 100 0 0 10 0\n" +
			"   2: 00000000:0000 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 27521 1 0000000000000000 100 0 0 10 0\n",
			want: []waiting{{dataplane.Listener{Proto: "TCP", IP: netip.MustParseAddr("127.0.0.1"), Port: 8080}, 27519}}},
		{name: "IPv6, and IPv4 in its clothes", text: head +
			"   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1\n" +
			"   1: 0000000000000000FFFF0000720AA8C0:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 2\n" +
			"   2: B80D0120000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 3\n",
			want: []waiting{
				{dataplane.Listener{Proto: "TCP", IP: netip.IPv6Unspecified(), Port: 8080}, 1},
				{dataplane.Listener{Proto: "TCP", IP: netip.MustParseAddr("192.168.10.114"), Port: 80}, 2},
				{dataplane.Listener{Proto: "TCP", IP: netip.MustParseAddr("2001:db8::1"), Port: 80}, 3}}},
		{name: "cut off", text: head + "   0: 0100007F:1F90 0000", err: "line 2: 3 fields"},
		{name: "no address", text: head + "   0: 0100007:1F90 00000000:0000 0A 0:0 00:0 0 0 0 1\n", err: `line 2: socket address "0100007:1F90"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseSockets(strings.NewReader(tt.text), "TCP", tcpListen)
			if (err != nil || tt.err != "") && fmt.Sprint(err) != tt.err {
				t.Errorf("error %v, want %s", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(waiting{}), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestOwners: a socket that several have open is the first process's; what ends or
// is closed to us stops nothing.
func TestOwners(t *testing.T) {
	dir := t.TempDir()
	link := func(pid, fd, to string) {
		write(t, dir, pid+"/comm", "p"+pid+"\n")
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, pid, "fd"), 0o755), os.Symlink(to, filepath.Join(dir, pid, "fd", fd))); err != nil {
			t.Fatal(err)
		}
	}
	link("300", "3", "socket:[11]")
	link("20", "7", "socket:[11]")
	link("20", "8", "pipe:[12]")
	link("20", "9", "socket:[99]")
	write(t, dir, "40/comm", "gone") // no fd any more
	got, err := findOwners(context.Background(), dir, []waiting{{inode: 11}, {inode: 12}, {inode: 0}})
	if diff := cmp.Diff(map[uint64]owner{11: {20, "p20"}}, got, cmp.AllowUnexported(owner{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestSysctls(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]string{"net/ipv4/ip_forward": "1\n", "net/ipv4/conf/all/arp_ignore": "0\n", "net/ipv4/conf/eth0.100/arp_ignore": "2\n",
		"net/ipv4/conf/eth0.100/tag": "0\n", "net/ipv4/vs/conntrack": "1\n", "net/bridge/bridge-nf-call-iptables": "1\n"} {
		write(t, dir, "sys/"+name, value)
	}
	got, err := readSysctls(context.Background(), dir)
	want := map[string]string{"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.arp_ignore": "0", "net.ipv4.conf.eth0.100.arp_ignore": "2",
		"net.ipv4.vs.conntrack": "1", "net.bridge.bridge-nf-call-iptables": "1"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := readSysctls(context.Background(), t.TempDir()); err == nil {
		t.Error("nothing to read is no success")
	}
}

// toolbox stands for netfilter's tools: what each prints, or how it fails.
type toolbox struct {
	out  map[string]string
	fail map[string]error
	ran  []string
}

func (b *toolbox) find(name string) (string, bool) {
	_, prints := b.out[name]
	_, fails := b.fail[name]
	return name, prints || fails
}

func (b *toolbox) findSave(name, backend string) (string, bool) {
	return b.find(name + "-" + backend + "-save")
}

func (b *toolbox) run(_ context.Context, path string, _ ...string) ([]byte, error) {
	b.ran = append(b.ran, path)
	return []byte(b.out[path]), b.fail[path]
}

func TestNetfilterTools(t *testing.T) {
	const (
		nat   = `{"nftables":[{"table":{"family":"ip","name":"nat"}},{"chain":{"family":"ip","table":"nat","name":"PREROUTING"}}]}`
		none  = `{"nftables":[{"metainfo":{}}]}`
		saved = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j ACCEPT\nCOMMIT\n"
	)
	type lines = map[string]string
	for _, tt := range []struct {
		name   string
		tools  toolbox
		legacy string // ip_tables_names
		tables []string
		ran    []string
		lines  lines
	}{
		{"nothing is there", toolbox{out: lines{"nft": none}}, "", nil, []string{"nft"}, lines{NFTables: "read", IPTables: "read"}},
		{"iptables-nft's tables are taken from its own tool", toolbox{out: lines{"nft": nat, "iptables-nft-save": saved}}, "",
			[]string{"nft ip nat"}, []string{"nft", "iptables-nft-save"}, lines{NFTables: "read", IPTables: "read"}},
		{"without it, nft's words stay", toolbox{out: lines{"nft": nat}}, "", []string{"nftables ip nat"}, []string{"nft"},
			lines{NFTables: "read", IPTables: "absent iptables-nft-save is not installed: package iptables"}},
		{"what it calls incompatible stays too", toolbox{out: lines{"nft": nat, "iptables-nft-save": "# Table `nat' is incompatible, use 'nft' tool.\n"}}, "",
			[]string{"nftables ip nat"}, []string{"nft", "iptables-nft-save"}, lines{NFTables: "read", IPTables: "read"}},
		{"legacy beside it", toolbox{out: lines{"nft": nat, "iptables-nft-save": saved, "iptables-legacy-save": saved}}, "nat\n",
			[]string{"legacy ip nat", "nft ip nat"}, []string{"nft", "iptables-legacy-save", "iptables-nft-save"}, lines{NFTables: "read", IPTables: "read"}},
		{"no nft: the saves are asked", toolbox{out: lines{"iptables-nft-save": saved, "ip6tables-nft-save": ""}}, "", []string{"nft ip nat"},
			[]string{"iptables-nft-save", "ip6tables-nft-save"}, lines{NFTables: "absent nft is not installed: package nftables", IPTables: "read"}},
		{"not permitted", toolbox{fail: map[string]error{"nft": fs.ErrPermission, "iptables-nft-save": fs.ErrPermission, "ip6tables-nft-save": fs.ErrPermission}}, "", nil,
			[]string{"nft", "iptables-nft-save", "ip6tables-nft-save"}, lines{NFTables: "denied not permitted: needs root", IPTables: "denied not permitted: needs root"}},
		{"half of it", toolbox{out: lines{"nft": nat, "iptables-nft-save": "*nat\n:A - [0:0]\n"}}, "", []string{"nft ip nat"}, []string{"nft", "iptables-nft-save"},
			lines{NFTables: "read", IPTables: "partial read rules: line 2: table nat: no COMMIT: the text ends early"}},
		{"an object that nobody knows", toolbox{out: lines{"nft": `{"nftables":[{"table":{"family":"ip","name":"a"}},{"zebra":{}}]}`}}, "", []string{"nftables ip a"}, []string{"nft"},
			lines{NFTables: "partial read ruleset: unknown objects: zebra", IPTables: "read"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "net/ip_tables_names", tt.legacy)
			r := newReading(context.Background(), Options{Name: "n1"})
			r.readNetfilter(kernel{proc: dir, sys: dir, modules: dir}, &tt.tools)
			var tables []string
			for _, table := range r.host.Tables {
				tables = append(tables, table.Backend+" "+table.Family+" "+table.Name)
			}
			got := lines{}
			for _, c := range r.coverage {
				got[strings.TrimPrefix(c.Source, "host n1 ")] = strings.TrimSpace(string(c.Status) + " " + c.Detail)
				if read := c.Status == snapshot.StatusRead; c.Complete != read || slices.Contains(r.host.Unread, strings.TrimPrefix(c.Source, "host n1 ")) == read {
					t.Errorf("%+v, unread %v", c, r.host.Unread)
				}
			}
			if diff := cmp.Diff([]any{tt.tables, tt.ran, tt.lines}, []any{tables, tt.tools.ran, got}); diff != "" {
				t.Errorf("tables, tools, coverage (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	program := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	program("xtables-nft-multi", "")
	program("old-save", "")
	program("mutters", "echo one; echo two >&2; exit 3")
	program("silent", "exit 4")
	program("closed", "echo 'Operation not permitted (you must be root)' >&2; exit 1")
	program("slow", "exec sleep 60")
	if err := os.Symlink("xtables-nft-multi", filepath.Join(dir, "iptables-save")); err != nil {
		t.Fatal(err)
	}
	p := programs{[]string{"relative", dir}}
	for _, tt := range []struct {
		name, backend string
		want          bool
	}{{"iptables", nftBackend, true}, {"iptables", legacyBackend, false}, {"old", legacyBackend, true}, {"old", nftBackend, false}, {"ip6tables", nftBackend, false}} {
		if _, ok := p.findSave(tt.name, tt.backend); ok != tt.want {
			t.Errorf("%s of %s: %v", tt.name, tt.backend, ok)
		}
	}
	ctx := context.Background()
	for name, want := range map[string]string{"mutters": "run mutters: two", "silent": "run silent: exit status 4", "closed": "run closed: permission denied"} {
		if _, err := p.run(ctx, filepath.Join(dir, name)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if _, err := p.run(ctx, filepath.Join(dir, "closed")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is no permission error", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := p.run(ctx, filepath.Join(dir, "slow")); !errors.Is(err, context.Canceled) {
		t.Errorf("slow: %v", err)
	}
}
