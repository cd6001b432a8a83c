// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"whohas/dataplane"
	"whohas/source/file"
)

// readAgents finds the programs that keep the host in its cluster, and asks the
// kubelet and kube-proxy on loopback how they are. Only what runs in the network
// namespace of the calling thread counts. Without root the processes of others
// cannot be told apart by namespace: they are not in the list then, and the error
// says so.
func readAgents(ctx context.Context, at place) ([]dataplane.Agent, error) {
	out, err := findAgents(ctx, at.proc)
	askAgents(ctx, out, defaultHealthPorts())
	return out, err
}

// isAgent knows the programs by name. A kubelet or a kube-proxy is also within
// k3s, and within MicroK8s' kubelite.
func isAgent(name string) bool {
	switch name {
	case "kubelet", "kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd",
		"containerd", "dockerd", "crio",
		"k3s", "k3s-server", "k3s-agent", "rke2", "kubelite",
		"calico-node", "bird", "bird6", "flanneld", "cilium-agent", "antrea-agent", "kube-router",
		"kube-vip", "keepalived", "haproxy", "nginx", "speaker",
		"systemd-network": // as the kernel cuts it to 15 bytes
		return true
	}
	return false
}

// running is what /proc shows of a process.
type running struct {
	pid, parent int
	started     float64 // seconds after the machine
	name        string
	args        []string
}

// findAgents looks through all processes. A worker of a program that is already in
// the list, as nginx has several, is left out.
func findAgents(ctx context.Context, proc string) ([]dataplane.Agent, error) {
	own, err := ownNetwork(proc)
	if err != nil {
		return nil, err
	}
	uptime, err := readUptime(proc)
	if err != nil {
		return nil, err
	}
	found, err := agentProcesses(ctx, proc, own)
	names := map[int]string{}
	for _, p := range found {
		names[p.pid] = p.name
	}
	var out []dataplane.Agent
	for _, p := range found {
		if names[p.parent] == p.name {
			continue
		}
		out = append(out, dataplane.Agent{Name: p.name, PID: p.pid, Age: max(0, int(uptime-p.started)), Flags: agentFlags(p.args)})
	}
	slices.SortFunc(out, func(a, b dataplane.Agent) int { return cmp.Or(strings.Compare(a.Name, b.Name), a.PID-b.PID) })
	return out, err
}

func agentProcesses(ctx context.Context, proc, own string) ([]running, error) {
	var out []running
	denied := 0
	for _, pid := range processes(proc) {
		if ctx.Err() != nil {
			return out, partial{"processes: " + ctx.Err().Error()}
		}
		p, err := agentProcess(proc, pid, own)
		switch {
		case errors.Is(err, fs.ErrPermission):
			denied++
		case err == nil && p.name != "":
			out = append(out, p)
		}
	}
	switch {
	case denied > 0 && len(out) == 0:
		return nil, fmt.Errorf("processes: %w", fs.ErrPermission)
	case denied > 0:
		return out, partial{fmt.Sprintf("the network namespaces of %d processes are not known: needs root", denied)}
	}
	return out, nil
}

// agentProcess reads a process; without a name it is no agent, or not of the
// namespace. One that ends meanwhile is an error like any other.
func agentProcess(proc string, pid int, own string) (running, error) {
	dir := filepath.Join(proc, strconv.Itoa(pid))
	comm, err := file.Read(filepath.Join(dir, "comm"), file.Small)
	if err != nil || !mayBeAgent(strings.TrimSpace(string(comm))) {
		return running{}, err
	}
	line, err := readCapped("/", filepath.Join(dir, "cmdline"))
	if err != nil {
		return running{}, err
	}
	p := running{pid: pid, args: strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")}
	p.name = agentName(strings.TrimSpace(string(comm)), p.args)
	if !isAgent(p.name) {
		return running{}, nil
	}
	if network, err := os.Readlink(filepath.Join(dir, "ns", "net")); err != nil || network != own {
		return running{}, err
	}
	stat, err := file.Read(filepath.Join(dir, "stat"), file.Small)
	if err != nil {
		return running{}, err
	}
	p.parent, p.started, err = parseStat(string(stat))
	return p, err
}

// commLength is where the kernel cuts names (linux include/linux/sched.h
// TASK_COMM_LEN, with the final zero).
const commLength = 15

func mayBeAgent(comm string) bool {
	return len(comm) == commLength || comm == "kubemark" || isAgent(comm)
}

// agentName is the name of the process, from its command line where the kernel has
// cut it. kubemark is a kubelet where it is told to be (kubernetes
// cmd/kubemark/app/hollow_node.go), and of calico-node's several processes Felix
// is meant (calico node/filesystem/etc/service/available/felix/run).
func agentName(comm string, args []string) string {
	if base := path.Base(args[0]); len(comm) == commLength && strings.HasPrefix(base, comm) {
		comm = base
	}
	switch {
	case comm == "kubemark" && hasFlag(args, "morph", "kubelet"):
		return "kubelet"
	case comm == "calico-node" && !slices.Contains(args, "-felix"):
		return ""
	}
	return comm
}

func hasFlag(args []string, name, value string) bool {
	for f := range eachFlag(args) {
		if f.name == name && f.value == value {
			return true
		}
	}
	return false
}

// ownNetwork names the namespace of the calling thread: "net:[4026531840]".
func ownNetwork(proc string) (string, error) {
	own, err := os.Readlink(filepath.Join(proc, "thread-self", "ns", "net"))
	if errors.Is(err, fs.ErrNotExist) { // before Linux 3.17
		own, err = os.Readlink(filepath.Join(proc, "self", "ns", "net"))
	}
	return own, err
}

// readUptime gives the first number of /proc/uptime (man 5 proc_uptime).
func readUptime(proc string) (float64, error) {
	text, err := file.Read(filepath.Join(proc, "uptime"), file.Small)
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseFloat(strings.TrimSpace(first), 64)
	if err != nil || !(seconds >= 0 && seconds < 1e10) {
		return 0, errors.New("uptime: not a number of seconds")
	}
	return seconds, nil
}

// userHZ is in what parts of a second the kernel counts for programs (linux
// include/asm-generic/param.h USER_HZ).
const userHZ = 100

// parseStat takes the parent and the start, in seconds after the machine's, out of
// /proc/PID/stat: fields 4 and 22 (man 5 proc_pid_stat). The name, field 2, may have
// blanks and brackets.
func parseStat(text string) (parent int, started float64, err error) {
	after := strings.LastIndexByte(text, ')') + 1
	fields := strings.Fields(text[after:]) // from the third on
	if after == 0 || len(fields) < 20 {
		return 0, 0, fmt.Errorf("stat: %d fields", len(fields))
	}
	parent, err = strconv.Atoi(fields[4-3])
	ticks, errTicks := strconv.ParseUint(fields[22-3], 10, 64)
	if err := errors.Join(err, errTicks); err != nil {
		return 0, 0, fmt.Errorf("stat: %w", err)
	}
	return parent, float64(ticks) / userHZ, nil
}

// isAgentFlag lists the flags that are kept of a command line: those about
// addresses, and about the files that say some.
func isAgentFlag(name string) bool {
	switch name {
	case "kubeconfig", "config", "bootstrap-kubeconfig", "node-ip", "hostname-override", "proxy-mode", "server", "master",
		"listen-peer-urls", "initial-cluster", "etcd-servers", "advertise-address", "bind-address", "secure-port",
		"container-runtime-endpoint", "cluster-dns":
		return true
	}
	return false
}

// agentFlags takes the declared flags of a command line: --x=y and --x y, with one
// dash too (etcd uses Go's own flags), and with _ for - (kubernetes
// component-base/cli/flag WordSepNormalizeFunc). The last of several holds, but
// lists add up.
func agentFlags(args []string) map[string]string {
	out := map[string]string{}
	for f := range eachFlag(args) {
		if !isAgentFlag(f.name) {
			continue
		}
		value := withoutSecrets(f.value)
		if before := out[f.name]; before != "" && value != "" && (f.name == "etcd-servers" || f.name == "cluster-dns") {
			value = before + "," + value
		}
		if value != "" {
			out[f.name] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// flag is a flag of a command line, and where among the words it stands.
type flag struct {
	name, value string
	at          int
}

// eachFlag goes over the flags of a command line, the program's name first. A word
// after a flag without "=" is taken for its value, unless it is a flag itself.
func eachFlag(args []string) iter.Seq[flag] {
	return func(yield func(flag) bool) {
		for i := 1; i < len(args) && args[i] != "--"; i++ {
			word, ok := strings.CutPrefix(args[i], "-")
			name, value, has := strings.Cut(strings.TrimPrefix(word, "-"), "=")
			if !ok || name == "" {
				continue
			}
			if !has && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				value = args[i+1]
			}
			if !yield(flag{strings.ReplaceAll(name, "_", "-"), value, i}) {
				return
			}
		}
	}
}

// flagLength bounds a flag's value.
const flagLength = 4 << 10

// withoutSecrets takes user and password out of URLs, and drops their queries. A
// value with an @ or a ? that is no list of URLs is not kept at all.
func withoutSecrets(value string) string {
	if len(value) > flagLength || strings.ContainsFunc(value, unicode.IsControl) {
		return ""
	}
	if strings.HasPrefix(value, "/") || !strings.ContainsAny(value, "@?") { // a file's name may have either
		return value
	}
	parts := strings.Split(value, ",")
	for i, part := range parts {
		name, text := cutMember(part)
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || strings.Contains(u.RawQuery+u.Fragment, "@") {
			return ""
		}
		parts[i] = name + u.Scheme + "://" + u.Host + u.EscapedPath()
		if strings.Contains(parts[i], "@") {
			return ""
		}
	}
	return strings.Join(parts, ",")
}

// cutMember parts a member of etcd's initial-cluster, name=URL, behind the "=".
func cutMember(text string) (name, rest string) {
	i := strings.IndexAny(text, "=:/?@")
	if i < 0 || text[i] != '=' {
		return "", text
	}
	return text[:i+1], text[i+1:]
}
