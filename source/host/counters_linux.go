// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"whohas/source/file"
)

// tally is a file of counters and those of them that are kept.
type tally struct {
	file string
	read func(r io.Reader, into map[string]uint64) error
}

// tallies lists the files, all in the thread's own folder of /proc. The kernel
// counts rt_cache for the whole machine, whatever namespace asks (linux
// net/ipv4/route.c, rt_cache_stat is per CPU only); netstat, snmp and nf_conntrack
// are of the namespace (net/ipv4/proc.c, net/netfilter/nf_conntrack_standalone.c).
func tallies() []tally {
	return []tally{
		{"stat/rt_cache", perCPU("rt_cache", "in_martian_dst", "in_martian_src")},
		{"stat/nf_conntrack", perCPU("nf_conntrack", "drop", "insert_failed")},
		{"netstat", named("TcpExt.IPReversePathFilter")},
		{"snmp", named("Ip.InAddrErrors", "Ip.OutNoRoutes")},
	}
}

// readCounters reads the kernel's counters of packets with addresses that cannot
// be. A file that is not there counts nothing: its part of the kernel is missing.
func readCounters(ctx context.Context, proc string) (map[string]uint64, error) {
	out := map[string]uint64{}
	var failed error
	for _, t := range tallies() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err := t.take(netDir(proc), out)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && failed == nil {
			failed = fmt.Errorf("%s: %w", t.file, err)
		}
	}
	switch {
	case len(out) == 0 && failed != nil:
		return nil, failed
	case len(out) == 0:
		return nil, errors.New("no counters below " + netDir(proc))
	case failed != nil:
		return out, partial{failed.Error()}
	}
	return out, nil
}

func (t tally) take(dir string, into map[string]uint64) error {
	f, err := file.Open(filepath.Join(dir, filepath.FromSlash(t.file)))
	if err != nil {
		return err
	}
	defer f.Close()
	return t.read(f, into)
}

// perCPU reads a heading line of names and a line of hexadecimal numbers for each
// CPU, and adds these up. The order of the columns is not the same in all kernels,
// so that only the heading tells them apart. The numbers are of 32 bits and wrap.
func perCPU(file string, names ...string) func(io.Reader, map[string]uint64) error {
	return func(r io.Reader, into map[string]uint64) error {
		lines := bufio.NewScanner(r)
		if !lines.Scan() {
			return errors.Join(lines.Err(), errors.New("no heading"))
		}
		heading := strings.Fields(lines.Text())
		sums := map[string]uint64{}
		n := 0
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) != len(heading) {
				return fmt.Errorf("%d columns below %d names", len(fields), len(heading))
			}
			for i, name := range heading {
				v, err := strconv.ParseUint(fields[i], 16, 32)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				sums[name] += v
			}
			n++
		}
		if err := lines.Err(); err != nil || n == 0 {
			return errors.Join(err, errors.New("not read to the end"))
		}
		for _, name := range names {
			if v, ok := sums[name]; ok {
				into[file+"."+name] = v
			}
		}
		return nil
	}
}

// named reads pairs of lines, names and numbers, each with its group in front:
// "Ip: Forwarding DefaultTTL", "Ip: 1 64" (linux net/ipv4/proc.c snmp_seq_show).
func named(keys ...string) func(io.Reader, map[string]uint64) error {
	return func(r io.Reader, into map[string]uint64) error {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			names := strings.Fields(lines.Text())
			if !lines.Scan() {
				return errors.Join(lines.Err(), errors.New("names without numbers"))
			}
			values := strings.Fields(lines.Text())
			if len(names) == 0 || len(names) != len(values) || names[0] != values[0] {
				return errors.New("names and numbers do not match")
			}
			if err := keep(keys, names, values, into); err != nil {
				return err
			}
		}
		return lines.Err()
	}
}

func keep(keys, names, values []string, into map[string]uint64) error {
	group := strings.TrimSuffix(names[0], ":")
	for i := 1; i < len(names); i++ {
		for _, key := range keys {
			if key != group+"."+names[i] {
				continue
			}
			v, err := strconv.ParseUint(values[i], 10, 64)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			into[key] = v
		}
	}
	return nil
}
