// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"path"
	"slices"
	"strings"
	"unicode"

	"whohas/dataplane"
)

// bird reads "birdc -s SOCKET show protocols all".
func (c *command) bird(name string, args []string) bool {
	c.speaker = "bird"
	if strings.HasSuffix(name, "6") {
		c.speaker = "bird6"
	}
	at := slices.Index(args, "show")
	if at > 0 && strings.HasSuffix(args[at-1], ".ctl") {
		c.speaker = strings.TrimSuffix(path.Base(args[at-1]), ".ctl")
	}
	if at < 0 || len(args) < at+3 || len(args[at+1]) < 2 || !strings.HasPrefix("protocols", args[at+1]) || args[at+2] != "all" {
		return false
	}
	c.narrowed(args[at+3:])
	return true
}

// deadSpeaker tells that BIRD's socket is what a daemon that has ended left behind.
func (b *output) deadSpeaker() bool {
	return b.command.kind == ofSessions && !b.facts.any && b.refused
}

// parseProtocols reads what birdc makes of BIRD's answer: without the codes
// (BIRD client/client.c server_got_reply), a protocol at the line's beginning and
// its details below it, which have names (proto/bgp/bgp.c bgp_show_proto_info;
// nest/proto.c proto_cmd_show). Those of BIRD 2's channels have other names. BIRD of
// the first version is of one family.
func (b *output) parseProtocols() {
	f := &b.facts.userspace
	isBGP, message := false, ""
	end := func() {
		if n := len(f.sessions); isBGP && f.sessions[n-1].Error == "" {
			f.sessions[n-1].Error = message
		}
		isBGP, message = false, ""
	}
	for i, line := range b.lines {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case strings.HasPrefix(line, "BIRD ") && strings.HasSuffix(line, "ready."):
			b.facts.any = true
			f.both = strings.TrimLeft(words[1], "v") >= "2"
		case strings.EqualFold(words[0], "name") && len(words) > 1 && strings.EqualFold(words[1], "proto"), line == "Access restricted":
		case line[0] != ' ' && line[0] != '\t':
			end()
			if len(words) < 4 || !unicode.IsUpper(rune(words[1][0])) {
				b.complain(i)
				continue
			}
			b.facts.any = true
			if isBGP = words[1] == "BGP"; isBGP {
				f.sessions = append(f.sessions, dataplane.Session{Name: plain(words[0]), Speaker: b.command.speaker, State: plain(words[3])})
			}
		case isBGP:
			detail(&f.sessions[len(f.sessions)-1], &message, strings.TrimSpace(line))
		}
	}
	end()
}

func detail(s *dataplane.Session, message *string, line string) {
	name, value, _ := strings.Cut(line, ":")
	value = plain(value)
	if value == "" {
		return
	}
	switch name {
	case "BGP state":
		s.State = value
	case "Neighbor address": // 192.168.10.114, fe80::1%eth0, 192.168.10.114 onlink
		s.Peer, _ = addrOf(strings.Fields(value)[0])
	case "Last error":
		s.Error = value
	case "Message":
		*message = value
	}
}

// parseCalico reads the tables of calicoctl node status, which has asked Calico's
// BIRD (projectcalico/calico calicoctl/calicoctl/commands/node/status.go): the last
// column is BIRD's state and what it says behind it, which may go on below.
func (b *output) parseCalico() {
	f := &b.facts.userspace
	speaker := ""
	for i, line := range b.lines {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "|"), "|")
		switch {
		case strings.HasPrefix(line, "IPv4 BGP status"):
			speaker, b.facts.any = "bird", true
		case strings.HasPrefix(line, "IPv6 BGP status"):
			speaker, b.facts.any = "bird6", true
		case line == "", strings.HasPrefix(line, "+-"), strings.Contains(line, "PEER ADDRESS"), strings.HasPrefix(line, "No IPv"), strings.Contains(line, "rocess is running"):
		case !strings.HasPrefix(line, "|") || len(cells) != 5 || speaker == "" || !peering(f, speaker, cells):
			b.complain(i)
		}
	}
}

// peering reads a row. Calico names the session by its sort and its peer.
func peering(f *userspaceFacts, speaker string, cells []string) bool {
	for i := range cells {
		cells[i] = plain(cells[i])
	}
	if cells[0] == "" {
		if n := len(f.sessions); n > 0 {
			f.sessions[n-1].Error = plain(f.sessions[n-1].Error + " " + cells[4])
		}
		return len(f.sessions) > 0
	}
	ip, ok := addrOf(cells[0])
	sort, known := map[string]string{"node-to-node mesh": "Mesh", "node specific": "Node", "global": "Global"}[cells[1]]
	if !ok || !known {
		return false
	}
	s := dataplane.Session{Name: sort + "_" + strings.NewReplacer(".", "_", ":", "_").Replace(cells[0]), Speaker: speaker, Peer: ip, State: cells[2]}
	if state, says, _ := strings.Cut(cells[4], " "); state != "" {
		s.State, s.Error = state, strings.TrimSpace(says)
	}
	f.sessions = append(f.sessions, s)
	return true
}

// plain is text without what a terminal obeys, of no more bytes than source/host
// keeps.
func plain(text string) string {
	const most = 300
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
	return strings.TrimSpace(strings.ToValidUTF8(text[:min(len(text), most)], ""))
}
