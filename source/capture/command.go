// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The kinds of output that are read.
const (
	ofDevices  = "ip addr" // and ip link
	ofRoutes   = "ip route"
	ofRules    = "ip rule"
	ofNeigh    = "ip neigh"
	ofFDB      = "bridge fdb"
	ofIfconfig = "ifconfig"
	ofIPVS     = "ipvsadm"
	ofSets     = "ipset"
	ofSave     = "iptables-save"
	ofRuleset  = "nft"
	ofSysctl   = "sysctl"
	ofSockets  = "ss"
	ofNetstat  = "netstat"
	ofHostname = "hostname"
	ofUname    = "uname"
	ofRelease  = "uname -r"
	ofTables   = "rt_tables"
	ofLegacy   = "tables names" // /proc/net/ip_tables_names
	ofUser     = "id"
	ofTold     = "told"
	ofAgents   = "agents"
	ofSessions = "sessions" // of birdc
	ofCalico   = "calicoctl"
	ofCounters = "counters"
	isNone     = "none"    // our script: there is nothing to read
	isMissing  = "missing" // our script: the tool is not there
)

// command is what is known of the command that printed an output.
type command struct {
	kind    string
	words   string
	section string // of isNone, isMissing
	family  string // "4", "6"; empty: not said
	table   string // of ip route; empty: main
	object  string // "addr" or "link"
	proxy   bool   // ip neigh show proxy
	backend string // of iptables-save, where its name says so
	narrow  string // why it does not show all
	tcp     bool   // of ss and netstat
	udp     bool
	owners  bool
	told    configFile
	speaker string // of ofSessions: "bird", "bird6"; empty: our script has asked all
}

// takes reports whether lines of that shape may be of this command.
func (c command) takes(kind string) bool { return c.kind == kind }

// classify reads a command line; false: it is none of those that are read.
func classify(line string) (command, bool) {
	line, narrow := simple(line)
	words := program(strings.Fields(line))
	if len(words) == 0 {
		return command{}, false
	}
	c := command{words: strings.Join(words, " "), narrow: narrow}
	ok := c.read(words)
	return c, ok && c.kind != ""
}

// simple is a command line's first command, without redirections.
func simple(line string) (first, narrow string) {
	line = strings.TrimSpace(line)
	for _, r := range []string{"2>/dev/null", "2> /dev/null", "2>&1"} {
		line = strings.ReplaceAll(line, r, " ")
	}
	line = strings.TrimRight(strings.TrimSpace(line), ";")
	if at := strings.IndexAny(line, "|;&>#"); at >= 0 {
		return line[:at], "it was captured as " + shorten(line)
	}
	return line, ""
}

// program leaves out what stands before the program, and its folder.
func program(words []string) []string {
	for len(words) > 0 {
		name := path.Base(words[0])
		switch {
		case name == "sudo" || name == "nice" || name == "doas":
			words = words[1:]
			for len(words) > 0 && strings.HasPrefix(words[0], "-") {
				words = words[1:]
			}
		case name == "timeout" && len(words) > 2:
			words = words[2:]
		case strings.Contains(words[0], "=") && isWord(strings.SplitN(words[0], "=", 2)[0]):
			words = words[1:]
		default:
			return append([]string{name}, words[1:]...)
		}
	}
	return nil
}

// isProgram reports whether a line after "# " begins with a program and is no
// comment.
func isProgram(line string) bool {
	words := program(strings.Fields(line))
	return len(words) > 0 && slices.Contains([]string{"ip", "cat", "ls", "kubectl", "ping", "curl", "systemctl", "journalctl", "crictl", "docker", "nerdctl", "ctr",
		"echo", "grep", "tail", "head", "dmesg", "ps", "date", "ssh", "nsenter", "arp", "arping", "tcpdump", "traceroute", "telnet", "nc", "dig", "nslookup", "calicoctl",
		"birdcl", "cilium", "etcdctl", "kubeadm", "brctl", "conntrack", "ethtool", "lsmod", "modprobe", "iptables", "ip6tables", "ipvsadm", "ipset", "nft", "netstat",
		"route", "tc", "sysctl", "exit", "k3s", "find", "awk", "sed"}, words[0])
}

func (c *command) read(words []string) bool {
	args := words[1:]
	switch words[0] {
	case "ip":
		return c.ip(args)
	case "bridge":
		return c.bridge(args)
	case "ifconfig":
		c.kind = ofIfconfig
		return true
	case "ipvsadm":
		return c.ipvsadm(args)
	case "ipset":
		return c.ipset(args)
	case "iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save", "iptables-nft-save", "ip6tables-nft-save":
		return c.save(words[0], args)
	case "nft":
		return c.nft(args)
	case "sysctl":
		c.kind = ofSysctl
		if !slices.Equal(args, []string{"-a"}) && !slices.Equal(args, []string{"-A"}) && !slices.Equal(args, []string{"whohas"}) {
			c.narrowed(args)
		}
		return true
	case "ss":
		c.kind = ofSockets
		return c.sockets(args)
	case "netstat":
		c.kind = ofNetstat
		return c.sockets(args)
	case "hostname":
		c.kind = ofHostname
		return len(args) == 0 || args[0] == "-s" || args[0] == "-f" || args[0] == "--fqdn"
	case "uname":
		return c.uname(args)
	case "cat":
		return c.cat(args)
	case "id":
		c.kind = ofUser
		return slices.Equal(args, []string{"-u"})
	}
	return c.station(words[0], args)
}

func (c *command) narrowed(args []string) {
	if c.narrow == "" && len(args) > 0 {
		c.narrow = "it was captured as " + shorten(c.words)
	}
}

// ip reads the options and the object of ip (ip(8); an object may be abbreviated).
func (c *command) ip(args []string) bool {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		option := args[0]
		args = args[1:]
		switch {
		case option == "-4" || option == "-6":
			c.family = option[1:]
		case option == "-f" || strings.HasPrefix("-family", option) && len(option) > 2:
			if len(args) == 0 {
				return false
			}
			c.family = map[string]string{"inet": "4", "inet6": "6"}[args[0]]
			if c.family == "" {
				return false
			}
			args = args[1:]
		case strings.HasPrefix(option, "-n"), strings.HasPrefix(option, "-b"), option == "-B", option == "-M", option == "-0", option == "-N", strings.HasPrefix(option, "-N"):
			return false // another namespace's, or of another form
		}
	}
	if len(args) == 0 {
		return false
	}
	object, args := args[0], args[1:]
	switch {
	case strings.HasPrefix("address", object):
		c.kind, c.object = ofDevices, "addr"
	case strings.HasPrefix("link", object):
		c.kind, c.object = ofDevices, "link"
	case strings.HasPrefix("route", object):
		c.kind = ofRoutes
	case strings.HasPrefix("rule", object) && len(object) > 1:
		c.kind = ofRules
	case strings.HasPrefix("neighbour", object), strings.HasPrefix("neighbor", object):
		c.kind = ofNeigh
	default:
		return false
	}
	if len(args) > 0 && !isShow(args[0]) {
		if len(args[0]) > 1 && slices.Contains([]string{"add", "del", "delete", "get", "replace", "change", "flush", "set", "append", "save", "restore"}, args[0]) {
			return false
		}
	} else if len(args) > 0 {
		args = args[1:]
	}
	return c.ipArgs(args)
}

func isShow(word string) bool {
	return word != "" && (strings.HasPrefix("show", word) || strings.HasPrefix("list", word) || strings.HasPrefix("lst", word))
}

func (c *command) ipArgs(args []string) bool {
	switch {
	case c.kind == ofRoutes && len(args) >= 2 && args[0] == "table":
		c.table, args = args[1], args[2:]
		if c.table == "0" || c.table == "unspec" {
			c.table = "all"
		}
		if c.table == "cache" {
			return false
		}
	case c.kind == ofRoutes && len(args) >= 1 && args[0] == "cache":
		return false
	case c.kind == ofNeigh && slices.Equal(args, []string{"proxy"}):
		c.proxy, args = true, nil
	}
	c.narrowed(args)
	return true
}

func (c *command) bridge(args []string) bool {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if strings.HasPrefix(args[0], "-n") || strings.HasPrefix(args[0], "-b") {
			return false
		}
		args = args[1:]
	}
	if len(args) == 0 || args[0] != "fdb" {
		return false
	}
	c.kind, args = ofFDB, args[1:]
	if len(args) > 0 && isShow(args[0]) {
		args = args[1:]
	}
	c.narrowed(args)
	return true
}

func (c *command) ipvsadm(args []string) bool {
	c.kind = ofIPVS
	lists := len(args) == 0
	for _, a := range args {
		switch {
		case a == "--list" || a == "--save":
			lists = true
		case a == "--numeric" || a == "--exact" || a == "--sort" || a == "--nosort":
		case strings.HasPrefix(a, "-") && strings.Trim(a[1:], "lLSn") == "":
			lists = lists || strings.ContainsAny(a, "lLS")
		case a == "--stats" || a == "--rate" || a == "-c" || strings.Contains(a, "c"):
			return false // counts, and connections
		default:
			c.narrowed(args)
		}
	}
	return lists
}

func (c *command) ipset(args []string) bool {
	c.kind = ofSets
	verb := ""
	for i, a := range args {
		switch {
		case verb == "" && slices.Contains([]string{"save", "list", "-L", "-S", "--list", "--save", "l", "s"}, a):
			verb = a
		case a == "-s" || a == "-sorted":
		case a == "-o" || a == "-output":
			return i+1 < len(args) && args[i+1] != "xml"
		default:
			c.narrowed(args)
		}
	}
	return verb != ""
}

func (c *command) save(name string, args []string) bool {
	c.kind, c.family = ofSave, "4"
	if strings.HasPrefix(name, "ip6") {
		c.family = "6"
	}
	for _, backend := range []string{"legacy", "nft"} {
		if strings.Contains(name, backend) {
			c.backend = backend
		}
	}
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "-c" || a == "--counters" })
	c.narrowed(args)
	return true
}

func (c *command) nft(args []string) bool {
	c.kind = ofRuleset
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "-") })
	if len(args) < 2 || args[0] != "list" {
		return false
	}
	if args[1] != "ruleset" && args[1] != "table" {
		return false
	}
	if len(args) > 2 || args[1] == "table" {
		c.narrowed(args)
	}
	return true
}

// sockets reads the options of ss and netstat, which mean the same.
func (c *command) sockets(args []string) bool {
	all := ""
	for _, a := range args {
		switch {
		case strings.HasPrefix(a, "--"):
			all += map[string]string{"--listening": "l", "--tcp": "t", "--udp": "u", "--numeric": "n", "--processes": "p", "--program": "p", "--wide": "W"}[a]
		case strings.HasPrefix(a, "-"):
			all += a[1:]
		default:
			c.narrowed(args)
		}
	}
	has := func(option string) bool { return strings.Contains(all, option) }
	if has("x") || has("r") || has("i") && c.kind == ofNetstat || has("s") {
		return false
	}
	neither := !has("t") && !has("u")
	c.tcp, c.udp, c.owners = has("t") || neither, has("u") || neither, has("p")
	if !has("l") && !has("a") {
		c.narrowed(append(args, "established"))
	}
	return true
}

func (c *command) uname(args []string) bool {
	switch strings.Join(args, " ") {
	case "-n", "--nodename":
		c.kind = ofHostname
	case "-r", "--kernel-release":
		c.kind = ofRelease
	case "-a", "--all":
		c.kind = ofUname
	default:
		return false
	}
	return true
}

func (c *command) cat(args []string) bool {
	if len(args) != 1 {
		return false
	}
	switch {
	case strings.Contains(args[0], "iproute2/rt_tables"):
		c.kind = ofTables
	case strings.HasSuffix(args[0], "/net/ip_tables_names"):
		c.kind, c.family = ofLegacy, "4"
	case strings.HasSuffix(args[0], "/net/ip6_tables_names"):
		c.kind, c.family = ofLegacy, "6"
	case args[0] == "/etc/hostname":
		c.kind = ofHostname
	default:
		c.kind = ofTold
		return c.told.byHand(args[0])
	}
	return true
}

// commandOfFile finds the command in a file's name: "ip_-d_addr.txt",
// "ipvsadm-Ln", "iptables-save.txt".
func commandOfFile(name string) (command, bool) {
	base := filepath.Base(name)
	for _, ending := range []string{".txt", ".log", ".json", ".out"} {
		base = strings.TrimSuffix(base, ending)
	}
	spaced := strings.ReplaceAll(base, "_", " ")
	for _, try := range []string{spaced, strings.Replace(spaced, "-", " ", 1), strings.Replace(spaced, "-", " -", 1)} {
		if strings.ContainsAny(try, "|;&>#") {
			continue
		}
		if c, ok := classify(try); ok && c.kind != ofHostname && (len(strings.Fields(try)) > 1 || c.kind == ofSave || c.kind == ofIfconfig) {
			return c, true
		}
	}
	return command{}, false
}
