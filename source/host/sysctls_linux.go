// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"whohas/source/file"
)

// readSysctls reads the settings that decide about addresses, of all devices by one
// listing. The files show the namespace of the thread that opens them (linux
// net/sysctl_net.c net_ctl_header_lookup). A key is the file's path with dots; a
// device's name stays as it is, dots included.
func readSysctls(ctx context.Context, proc string) (map[string]string, error) {
	s := &sysctls{root: filepath.Join(proc, "sys"), values: map[string]string{}}
	s.read("net/ipv4/ip_forward")
	s.each(ctx, "net/ipv4/conf", "accept_local", "arp_announce", "arp_filter", "arp_ignore", "forwarding", "log_martians", "proxy_arp",
		"route_localnet", "rp_filter", "src_valid_mark")
	s.each(ctx, "net/ipv6/conf", "disable_ipv6", "forwarding")
	for _, name := range []string{"conntrack", "conn_reuse_mode", "expire_nodest_conn", "expire_quiescent_template"} {
		s.read("net/ipv4/vs/" + name)
	}
	for _, name := range []string{"arptables", "ip6tables", "iptables"} {
		s.read("net/bridge/bridge-nf-call-" + name)
	}
	switch {
	case len(s.values) == 0 && s.failed != nil:
		return nil, s.failed
	case len(s.values) == 0:
		return nil, errors.New("no settings below " + s.root)
	case s.failed != nil:
		return s.values, partial{fmt.Sprintf("%d not read: %v", s.lost, s.failed)}
	}
	return s.values, nil
}

type sysctls struct {
	root   string
	values map[string]string
	failed error // the first
	lost   int
}

func (s *sysctls) fail(err error) {
	s.lost++
	if s.failed == nil {
		s.failed = err
	}
}

// read takes one setting. One that is not there is none: its part of the kernel is
// missing, or its device has gone.
func (s *sysctls) read(path string) {
	value, err := file.Read(filepath.Join(s.root, filepath.FromSlash(path)), file.Small)
	switch {
	case err == nil:
		s.values[strings.ReplaceAll(path, "/", ".")] = strings.TrimSpace(string(value))
	case !errors.Is(err, fs.ErrNotExist):
		s.fail(err)
	}
}

func (s *sysctls) each(ctx context.Context, dir string, names ...string) {
	devices, err := os.ReadDir(filepath.Join(s.root, filepath.FromSlash(dir)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.fail(err)
	}
	for _, d := range devices {
		if ctx.Err() != nil {
			s.fail(ctx.Err())
			return
		}
		for _, name := range names {
			s.read(dir + "/" + d.Name() + "/" + name)
		}
	}
}
