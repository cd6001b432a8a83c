// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"whohas/dataplane"
)

// The bounds of one question to BIRD. A speaker with a thousand peers answers in a
// megabyte, at once.
const (
	birdTime  = time.Second
	birdBytes = 4 << 20
)

// birdSockets lists where BIRD listens: its own default, which distributions set
// when they build it, and Calico's, which its container shares with the host
// (projectcalico/calico node/filesystem/etc/service/available/bird/run).
// Often some are the same, by a link from /var/run.
func birdSockets() []string {
	return []string{"run/bird.ctl", "var/run/bird.ctl", "run/bird6.ctl", "var/run/bird6.ctl", "run/bird/bird.ctl",
		"run/calico/bird.ctl", "var/run/calico/bird.ctl", "run/calico/bird6.ctl", "var/run/calico/bird6.ctl"}
}

// readSessions reads the BGP sessions of each BIRD that answers on its socket.
// FRR's daemons speak a protocol of their own on theirs, and only vtysh knows it.
func readSessions(ctx context.Context, at place) ([]dataplane.Session, error) {
	answers := askSpeakers(ctx, at)
	var out []dataplane.Session
	var failed, dead error
	answered := 0
	for _, a := range answers {
		out = append(out, a.sessions...)
		switch {
		case a.err == nil:
			answered++
		case errors.Is(a.err, syscall.ECONNREFUSED): // what a daemon that has ended leaves behind
			dead = cmp.Or(dead, a.err)
		default:
			failed = cmp.Or(failed, a.err)
		}
	}
	slices.SortFunc(out, func(a, b dataplane.Session) int {
		return cmp.Or(strings.Compare(a.Speaker, b.Speaker), strings.Compare(a.Name, b.Name), a.Peer.Compare(b.Peer), strings.Compare(a.State, b.State), strings.Compare(a.Error, b.Error))
	})
	return slices.Compact(out), sessionsError(answered, len(out), failed, dead, speaksFRR(at))
}

// sessionsError says how much of the host's BGP is known.
func sessionsError(answered, sessions int, failed, dead error, frr bool) error {
	const notAsked = "FRR's bgpd runs here, which only its own vtysh can ask"
	switch {
	case failed != nil && (answered > 0 || sessions > 0):
		return partial{failed.Error()}
	case failed != nil:
		return failed
	case frr && answered > 0:
		return partial{notAsked}
	case frr:
		return missing{notAsked}
	case answered > 0:
		return nil
	case dead != nil:
		return absent{"no BIRD runs here: " + dead.Error()}
	}
	return absent{"no BIRD runs here: it has no control socket"}
}

func speaksFRR(at place) bool {
	for _, name := range []string{"run/frr/bgpd.vty", "var/run/frr/bgpd.vty"} {
		if info, err := os.Stat(at.path(name)); err == nil && info.Mode()&fs.ModeSocket != 0 {
			return true
		}
	}
	return false
}

// answer is what one BIRD said.
type answer struct {
	sessions []dataplane.Session
	err      error
}

// askSpeakers asks all at once: one that hangs costs the others no time.
func askSpeakers(ctx context.Context, at place) []answer {
	ctx, cancel := context.WithTimeout(ctx, birdTime)
	defer cancel()
	sockets, err := speakers(at)
	answers := make([]answer, len(sockets), len(sockets)+1)
	var wait sync.WaitGroup
	for i, socket := range sockets {
		wait.Go(func() {
			a := &answers[i]
			a.sessions, a.err = askBIRD(ctx, socket)
			for n := range a.sessions {
				a.sessions[n].Speaker = strings.TrimSuffix(filepath.Base(socket), ".ctl")
			}
		})
	}
	wait.Wait()
	if err != nil {
		answers = append(answers, answer{err: err})
	}
	return answers
}

// speakers are the sockets that are there, each once. A link that leads out of the
// host's root leads into another host's files.
func speakers(at place) ([]string, error) {
	var out []string
	var failed error
	for _, name := range birdSockets() {
		real, err := resolved(at, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			failed = cmp.Or(failed, err)
		case !slices.Contains(out, real):
			out = append(out, real)
		}
	}
	return out, failed
}

// resolved is where a file of the host really is.
func resolved(at place, name string) (string, error) {
	root, err := filepath.EvalSymlinks(at.root)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(at.path(name))
	if err != nil {
		return "", err
	}
	if inside, err := filepath.Rel(root, real); err != nil || !filepath.IsLocal(inside) {
		return "", fmt.Errorf("%s leads out of %s: %w", name, at.root, fs.ErrNotExist)
	}
	return real, nil
}

// askBIRD asks one BIRD for its protocols. The question changes nothing, and BIRD
// answers it to whoever can open its socket.
func askBIRD(ctx context.Context, socket string) ([]dataplane.Session, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", socket, errors.Unwrap(err))
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // a socket that has none is closed below
	defer stop()
	if _, err := io.WriteString(conn, "show protocols all\n"); err != nil {
		return nil, fmt.Errorf("ask %s: %w", socket, err)
	}
	sessions, err := parseProtocols(io.LimitReader(conn, birdBytes))
	if err != nil {
		err = fmt.Errorf("ask %s: %w", socket, err)
	}
	return sessions, err
}

// parseProtocols reads BIRD's answer, up to the line that ends it. Each line begins
// with a code and a hyphen, the last with a code and a space; a single space stands
// for the code of the line before (BIRD nest/cli.c, the same in 1.6, 2 and 3). The
// codes: 0001 greets, 1002 is a protocol, 1006 its details, 8000 and above are
// errors (doc/reply_codes).
func parseProtocols(r io.Reader) ([]dataplane.Session, error) {
	var p protocols
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		code, text, last := p.line(lines.Text())
		p.take(code, text)
		switch {
		case !last:
		case code >= "8000" && code != "8003": // no protocols match
			return p.found(), fmt.Errorf("bird: %s", plainText(text, maxWords))
		default:
			return p.found(), nil
		}
	}
	return p.found(), cmp.Or(lines.Err(), errors.New("the answer was cut off"))
}

// protocols is an answer that is being read.
type protocols struct {
	code    string // of the line before
	all     []dataplane.Session
	isBGP   bool
	message string // what the protocol itself says, where BGP names no error
}

// line gives a line's code and its text, and whether it ends the answer.
func (p *protocols) line(text string) (string, string, bool) {
	if rest, ok := strings.CutPrefix(text, " "); ok {
		return p.code, rest, false
	}
	if len(text) < 5 || strings.Trim(text[:4], "0123456789") != "" || text[4] != ' ' && text[4] != '-' {
		return "", "", false // begins with +: printed by itself
	}
	p.code = text[:4]
	return p.code, text[5:], text[4] == ' ' && p.code != "0001"
}

func (p *protocols) take(code, text string) {
	switch code {
	case "1002":
		p.protocol(strings.Fields(text))
	case "1006":
		if p.isBGP {
			p.detail(&p.all[len(p.all)-1], strings.TrimSpace(text))
		}
	}
}

// protocol reads name, kind, table, state, since, info. Between releases since is
// of one word or two, so that nothing behind it has a place.
func (p *protocols) protocol(fields []string) {
	p.end()
	if p.isBGP = len(fields) >= 4 && fields[1] == "BGP"; p.isBGP {
		p.all = append(p.all, dataplane.Session{Name: plainText(fields[0], maxWords), State: plainText(fields[3], maxWords)})
	}
}

// detail reads a line of details (BIRD proto/bgp/bgp.c bgp_show_proto_info, nest/proto.c
// proto_cmd_show). The channels of BIRD 2 have details of their own, of other names.
func (p *protocols) detail(s *dataplane.Session, text string) {
	name, value, ok := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	if !ok || value == "" {
		return
	}
	switch name {
	case "BGP state":
		s.State = plainText(value, maxWords)
	case "Neighbor address": // 192.168.10.114, fe80::1%eth0, 192.168.10.114 onlink
		if ip, err := netip.ParseAddr(strings.Fields(value)[0]); err == nil {
			s.Peer = ip.Unmap().WithZone("")
		}
	case "Last error":
		s.Error = plainText(value, maxWords)
	case "Message":
		p.message = plainText(value, maxWords)
	}
}

// end closes the protocol before.
func (p *protocols) end() {
	if p.isBGP && p.all[len(p.all)-1].Error == "" {
		p.all[len(p.all)-1].Error = p.message
	}
	p.isBGP, p.message = false, ""
}

func (p *protocols) found() []dataplane.Session {
	p.end()
	return p.all
}
