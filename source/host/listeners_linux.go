// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
	"whohas/source/file"
)

// The states of sockets that wait (linux include/net/tcp_states.h): TCP_LISTEN, and
// for UDP, which has no other word for unconnected, TCP_CLOSE.
const (
	tcpListen = 0x0A
	udpOpen   = 0x07
)

// readListeners reads the sockets that wait for traffic, and finds whose they are
// over the files that processes have open. A socket of the kernel, as a VXLAN
// device's, has no process.
func readListeners(ctx context.Context, proc string) ([]dataplane.Listener, error) {
	var found []waiting
	var failed error
	for _, table := range []struct {
		name, proto string
		state       uint64
	}{{"tcp", "TCP", tcpListen}, {"tcp6", "TCP", tcpListen}, {"udp", "UDP", udpOpen}, {"udp6", "UDP", udpOpen}} {
		list, err := socketTable(filepath.Join(netDir(proc), table.name), table.proto, table.state)
		found = append(found, list...)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && failed == nil { // without IPv6 there is no such table
			failed = err
		}
	}
	owners, err := findOwners(ctx, proc, found)
	out := make([]dataplane.Listener, 0, len(found))
	for _, w := range found {
		if o, ok := owners[w.inode]; ok {
			w.Process, w.PID = o.name, o.pid
		}
		out = append(out, w.Listener)
	}
	slices.SortFunc(out, func(a, b dataplane.Listener) int {
		return cmp.Or(strings.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port), a.IP.Compare(b.IP), strings.Compare(a.Process, b.Process), a.PID-b.PID)
	})
	switch {
	case failed != nil && len(out) > 0:
		failed = partial{failed.Error()}
	case failed == nil:
		failed = err
	}
	if len(out) == 0 {
		out = nil
	}
	return slices.Compact(out), failed
}

// netDir is the thread's own; before Linux 3.17 there was no such folder.
func netDir(proc string) string {
	own := filepath.Join(proc, "thread-self", "net")
	if _, err := os.Stat(own); err == nil {
		return own
	}
	return filepath.Join(proc, "net")
}

// waiting is a listener whose owner is looked for.
type waiting struct {
	dataplane.Listener
	inode uint64
}

func socketTable(name, proto string, state uint64) ([]waiting, error) {
	f, err := file.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out, err := parseSockets(f, proto, state)
	if err != nil {
		return out, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// parseSockets reads the form of /proc/net/tcp and udp (linux net/ipv4/tcp_ipv4.c
// get_tcp4_sock): number, local, remote, state, ..., inode the tenth.
func parseSockets(r io.Reader, proto string, state uint64) ([]waiting, error) {
	var out []waiting
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if n == 1 || len(fields) == 0 { // the heading
			continue
		}
		if len(fields) < 10 {
			return out, fmt.Errorf("line %d: %d fields", n, len(fields))
		}
		local, err := socketAddress(fields[1])
		remote, errRemote := socketAddress(fields[2])
		st, errState := strconv.ParseUint(fields[3], 16, 8)
		inode, errInode := strconv.ParseUint(fields[9], 10, 64)
		if err := errors.Join(err, errRemote, errState, errInode); err != nil {
			return out, fmt.Errorf("line %d: %w", n, err)
		}
		if st == state && local.Port() != 0 && remote.Port() == 0 && remote.Addr().IsUnspecified() {
			out = append(out, waiting{dataplane.Listener{Proto: proto, IP: local.Addr(), Port: local.Port()}, inode})
		}
	}
	return out, lines.Err()
}

// socketAddress reads 0100007F:1F90: words of 32 bits in the machine's order, and
// the port as a number.
func socketAddress(text string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("socket address %q", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("socket address %q", text)
	}
	ip, _ := netip.AddrFromSlice(raw)
	if ip.Is4In6() {
		ip = ip.Unmap()
	}
	return netip.AddrPortFrom(ip, uint16(n)), nil
}

// owner is the process that has a socket open; of several, the one with the
// lowest number.
type owner struct {
	pid  int
	name string
}

// findOwners looks through the open files of all processes until every socket has
// been found. A process that ends meanwhile owns nothing.
func findOwners(ctx context.Context, proc string, sockets []waiting) (map[uint64]owner, error) {
	wanted := map[uint64]bool{}
	for _, s := range sockets {
		wanted[s.inode] = s.inode != 0
	}
	delete(wanted, 0)
	found := map[uint64]owner{}
	denied := false
	for _, pid := range processes(proc) {
		if len(found) == len(wanted) {
			return found, nil
		}
		if ctx.Err() != nil {
			return found, partial{"processes: " + ctx.Err().Error()}
		}
		if err := ownedBy(proc, pid, wanted, found); errors.Is(err, fs.ErrPermission) {
			denied = true
		}
	}
	if denied && len(found) < len(wanted) {
		return found, partial{"the processes of other users are not known: needs root"}
	}
	return found, nil
}

// processes are the numbers below /proc, lowest first.
func processes(proc string) []int {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil // then no socket has a known owner
	}
	var out []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, pid)
		}
	}
	slices.Sort(out)
	return out
}

func ownedBy(proc string, pid int, wanted map[uint64]bool, found map[uint64]owner) error {
	dir := filepath.Join(proc, strconv.Itoa(pid))
	files, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return err
	}
	for _, f := range files {
		target, err := os.Readlink(filepath.Join(dir, "fd", f.Name()))
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		n, err := strconv.ParseUint(strings.TrimSuffix(inode, "]"), 10, 64)
		if _, known := found[n]; !ok || err != nil || !wanted[n] || known {
			continue
		}
		name, _ := file.Read(filepath.Join(dir, "comm"), file.Small) // it may have ended
		found[n] = owner{pid, strings.TrimSpace(string(name))}
	}
	return nil
}
