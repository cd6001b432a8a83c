// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
)

// configFile is a file that says where servers are: its form, as our script names it,
// and the program that it is for.
type configFile struct {
	form, who, file string
	numbered        bool // each line begins with its number
	named           bool // and, before that, with its file's name
}

// The forms of files that somebody shows; our script has more, and takes them apart.
const (
	formConfig   = "kubeconfig"
	formResolver = "resolver"
)

// marked reads "told FORM PROGRAM FILE" of our script; without words it says that
// all files have been looked at.
func (t *configFile) marked(args []string) bool {
	if len(args) < 3 {
		return len(args) == 0
	}
	*t = configFile{form: args[0], who: strings.Trim(args[1], "-"), file: strings.Join(args[2:], " "), numbered: true}
	return true
}

// byHand knows the files that people show.
func (t *configFile) byHand(file string) bool {
	*t = configFile{form: formConfig, who: configOf(file), file: file}
	if file == "/etc/resolv.conf" || file == "/run/systemd/resolve/resolv.conf" {
		t.form = formResolver
	}
	return t.who != "" || t.form == formResolver
}

// configOf tells whose kubeconfig a file is (kubernetes
// cmd/kubeadm/app/constants/constants.go); "": none that is known.
func configOf(file string) string {
	switch base := path.Base(file); {
	case !path.IsAbs(file):
		return ""
	case base == "kubelet.conf", base == "bootstrap-kubelet.conf", base == "kubelet.kubeconfig":
		return "kubelet"
	case base == "kubeconfig.conf", base == "kube-proxy.kubeconfig", base == "kubeproxy.kubeconfig":
		return "kube-proxy"
	case base == "controller-manager.conf":
		return "kube-controller-manager"
	case base == "scheduler.conf":
		return "kube-scheduler"
	case base == "admin.conf", base == "super-admin.conf", base == "k3s.yaml", base == "rke2.yaml":
		return "kubectl"
	}
	return ""
}

// grep reads "grep -n server /etc/kubernetes/*.conf": grep names the files of
// several.
func (t *configFile) grep(args []string) bool {
	var words []string
	for _, a := range args {
		switch {
		case !strings.HasPrefix(a, "-"):
			words = append(words, strings.Trim(a, `"'`))
		case strings.Trim(a[1:], "nHhriRIEF") != "":
			return false
		default:
			t.numbered = t.numbered || strings.Contains(a, "n")
			t.named = t.named || strings.ContainsAny(a, "HrR")
		}
	}
	if len(words) < 2 || !strings.Contains(words[0], "server") || strings.Contains(words[0], "name") {
		return false
	}
	t.form = formConfig
	if t.named = t.named || len(words) > 2 || strings.ContainsAny(words[1], "*?["); t.named {
		return strings.HasPrefix(words[1], "/etc/kubernetes") || configOf(words[1]) != ""
	}
	t.file, t.who = words[1], configOf(words[1])
	return t.who != ""
}

// parseTold reads the lines of one file: what our script made of them, or the file
// itself.
func (b *output) parseTold() {
	r := configuredReader{output: b, by: b.command.told}
	whole := b.source == fromMarker || b.command.narrow == "" && !b.cut
	for i, line := range b.lines {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		r.line = 0
		if whole {
			r.line = i + 1
		}
		ok := false
		if b.source == fromMarker {
			ok = r.marked(line)
		} else {
			ok = r.shown(line)
		}
		if !ok {
			b.complain(i)
		}
	}
	r.finish()
}

// configuredReader reads one file.
type configuredReader struct {
	output  *output
	by      configFile
	line    int
	program string // of a static Pod's container
	group   string // of a balancer's servers
	key     string // of a list's values
	port    uint16 // of kube-vip
	off     bool   // kube-vip keeps no control plane
	asked   int    // resolvers
}

// shown reads a line of a file that somebody showed, of which nearly all say nothing
// of servers.
func (r *configuredReader) shown(line string) bool {
	if r.by.named {
		file, rest, ok := strings.Cut(line, ":")
		if !ok || !path.IsAbs(file) {
			return false
		}
		r.by.file, r.by.who, line = file, configOf(file), strings.TrimSpace(rest)
		if r.by.who == "" {
			return true
		}
	}
	if r.by.named || r.by.numbered {
		r.line = 0
	}
	if r.by.numbered {
		number, rest, ok := strings.Cut(line, ":")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 1 {
			return false
		}
		r.line, line = n, strings.TrimSpace(rest)
	}
	if r.by.form == formResolver {
		f := strings.Fields(line)
		return len(f) < 2 || f[0] != "nameserver" || r.keep(f[0], f[1])
	}
	if value, ok := strings.CutPrefix(strings.TrimLeft(line, "- "), "server:"); ok {
		return r.keep("server", strings.Trim(strings.TrimSpace(value), `"'`))
	}
	return !isComplaint(line)
}

func isComplaint(line string) bool {
	return strings.HasPrefix(line, "cat: ") || strings.HasPrefix(line, "grep: ") || strings.HasSuffix(line, "command not found") || strings.HasSuffix(line, "ermission denied")
}

// marked reads "7:server https://192.168.10.20:6443".
func (r *configuredReader) marked(line string) bool {
	number, rest, ok := strings.Cut(line, ":")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 {
		return false
	}
	r.line = n
	key, value, ok := strings.Cut(rest, " ")
	return ok && r.keep(key, strings.TrimSpace(value))
}

// keep reads what a line says.
func (r *configuredReader) keep(key, value string) bool {
	r.output.facts.any = true
	switch key {
	case "server":
		if r.by.form == formConfig {
			return r.servers("apiserver", r.by.who, value)
		}
		return r.flag("apiserver", value)
	case "master", "advertise-address":
		return r.flag("apiserver", value)
	case "etcd-servers", "initial-cluster", "listen-client-urls":
		return r.flag("etcd", value)
	case "K3S_URL", "RKE2_URL":
		return r.servers("apiserver", strings.ToLower(strings.TrimSuffix(key, "_URL")), value)
	case "nameserver":
		return r.resolver(value)
	case "ntp":
		return r.ntp(value)
	case "program":
		r.program = strings.Trim(value, "-")
	case "group":
		r.group = strings.ToLower(strings.Trim(value, "-"))
	case "member":
		r.member(value)
	case "address", "vip_address":
		return r.servers("control-plane", r.by.who, value)
	case "port":
		n, _ := strconv.ParseUint(value, 10, 16)
		r.port = uint16(n)
	case "cp_enable":
		r.off = value == "false"
	case "list":
		return r.list(value)
	case "hosts":
		r.hosts(strings.Fields(value))
	default:
		return false
	}
	return true
}

// flag reads a flag: of a Pod, those of programs that are known count.
func (r *configuredReader) flag(what, value string) bool {
	if r.by.form != "pod" {
		return r.servers(what, r.by.who, value)
	}
	return r.program == "" || r.servers(what, r.program, value)
}

// resolver keeps as many as the C library asks (resolv.h MAXNS).
func (r *configuredReader) resolver(value string) bool {
	if _, err := netip.ParseAddr(value); err == nil && r.asked < 3 {
		r.asked++
		r.add("resolver", "", value, 53)
	}
	return true
}

// ntp keeps each time server of a line.
func (r *configuredReader) ntp(value string) bool {
	const port = 123
	for name := range strings.FieldsSeq(value) {
		if _, err := netip.ParseAddr(name); err == nil || name[0] != '-' && isWord(name) && len(name) <= 253 {
			r.add("ntp", r.by.who, name, port)
		}
	}
	return true
}

// member reads a balancer's server, where it is an apiserver: by its port, or by the
// name of its group. HAProxy writes IPv6 also without brackets.
func (r *configuredReader) member(value string) {
	if at := strings.LastIndexByte(value, ':'); at > 0 && value[0] != '[' && strings.Count(value, ":") > 1 {
		value = "[" + value[:at] + "]" + value[at:]
	}
	host, port, ok := serverOf(value)
	isAPI := port == 6443 || slices.ContainsFunc([]string{"apiserver", "kube_api", "kube-api"}, func(s string) bool { return strings.Contains(r.group, s) })
	if ok && host != "" && r.group != "" && isAPI {
		r.add("apiserver", r.by.who, host, port)
	}
}

// list reads JSON or YAML, of which the lines count: keys and addresses.
func (r *configuredReader) list(line string) bool {
	what := "apiserver"
	if strings.Contains(path.Base(r.by.file), "-etcd-") {
		what = "etcd"
	}
	fine, last := true, ""
	for _, word := range strings.FieldsFunc(line, func(c rune) bool { return strings.ContainsRune("[]{},\"' \t", c) }) {
		switch {
		case word == "-":
		case word == ":":
			r.key = last
		case strings.HasSuffix(word, ":"):
			r.key = strings.TrimSuffix(word, ":")
		case slices.Contains([]string{"ServerURL", "ServerAddresses", "endpoints", "address"}, r.key) && strings.ContainsAny(word, ".:"):
			fine = r.servers(what, r.by.who, word) && fine
		}
		last = word
	}
	return fine
}

func (r *configuredReader) hosts(f []string) {
	ip, ok := netip.Addr{}, false
	if len(f) > 1 {
		ip, ok = addrOf(f[0])
	}
	if !ok {
		return
	}
	names := &r.output.facts.userspace.names
	if *names == nil {
		*names = map[string]netip.Addr{}
	}
	for _, name := range f[1:] {
		if _, ok := (*names)[strings.ToLower(name)]; !ok {
			(*names)[strings.ToLower(name)] = ip
		}
	}
}

// servers reads addresses with commas in between, those of etcd's members with
// names before them.
func (r *configuredReader) servers(what, who, value string) bool {
	fine := true
	for text := range strings.SplitSeq(value, ",") {
		text = strings.TrimSpace(text)
		if at := strings.IndexAny(text, "=:/"); at >= 0 && text[at] == '=' {
			text = text[at+1:]
		}
		if text == "" {
			continue
		}
		host, port, ok := serverOf(text)
		if fine = fine && ok; ok && host != "" {
			r.add(what, who, host, port)
		}
	}
	return fine
}

func (r *configuredReader) add(what, who, host string, port uint16) {
	ip, _ := addrOf(host)
	told := &r.output.facts.userspace.told
	*told = append(*told, dataplane.ConfiguredServer{What: what, For: who, Host: host, IP: ip, Port: port, File: r.by.file, Line: r.line})
}

// finish gives kube-vip's addresses its port, which may stand behind them.
func (r *configuredReader) finish() {
	if r.by.form != "vip" {
		return
	}
	told := r.output.facts.userspace.told
	for i := range told {
		told[i].Port = r.port
	}
	if r.off {
		r.output.facts.userspace.told = nil
	}
}

// serverOf reads a URL, HOST:PORT or HOST; a socket of the host itself is fine and
// has no host. A URL without a port has its scheme's.
func serverOf(text string) (host string, port uint16, ok bool) {
	scheme, rest, isURL := strings.Cut(text, "://")
	if isURL {
		if strings.HasPrefix(scheme, "unix") {
			return "", 0, true
		}
		port = map[string]uint16{"https": 443, "http": 80}[strings.ToLower(scheme)]
		if at := strings.IndexAny(rest, "/?#"); at >= 0 {
			rest = rest[:at]
		}
		text = rest[strings.LastIndexByte(rest, '@')+1:]
	}
	host = text
	if name, digits, err := net.SplitHostPort(text); err == nil {
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil && digits != "" {
			return "", 0, false
		}
		host = name
		if digits != "" {
			port = uint16(n)
		}
	} else if strings.HasPrefix(text, "[") {
		host = strings.TrimSuffix(text[1:], "]")
	}
	if _, err := netip.ParseAddr(host); err != nil && (!isWord(host) || len(host) > 253) {
		return "", 0, false
	}
	return host, port, true
}
