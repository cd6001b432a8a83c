// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"whohas/dataplane"
)

// process is a line of /proc/PID/stat.
type process struct {
	name        string
	pid, parent int
	started     uint64 // in hundredths of a second after the machine
}

// parseAgents reads what our script found in /proc, and what agents answered:
//
//	uptime 15459.14 12517.86
//	process 812 (kubelet) S 1 812 ... 4711
//	denied 813
//	answer 10248/healthz ok 200
func (b *output) parseAgents() {
	var uptime uint64
	var all []process
	denied := 0
	answers := map[string]string{}
	for i, line := range b.lines {
		word, rest, _ := strings.Cut(line, " ")
		ok := true
		switch word {
		case "":
			continue
		case "uptime":
			uptime, ok = hundredths(rest)
			b.facts.any = true
		case "process":
			var p process
			if p, ok = processOf(rest); ok {
				all = append(all, p)
			}
		case "denied":
			denied++
		case "answer":
			door, said, _ := strings.Cut(rest, " ")
			answers[door] = strings.TrimSpace(said)
		default:
			ok = false
		}
		if !ok {
			b.complain(i)
		}
	}
	if denied > 0 {
		b.command.narrow = fmt.Sprintf("the network namespaces of %d processes are not known: needs root", denied)
	}
	b.facts.userspace.agents = agentsOf(all, uptime)
	health(b.facts.userspace.agents, answers)
}

// hundredths reads "15459.14 12517.86", the first number of /proc/uptime.
func hundredths(text string) (uint64, bool) {
	first, _, _ := strings.Cut(text, " ")
	whole, part, _ := strings.Cut(first, ".")
	n, err := strconv.ParseUint(whole+(part + "00")[:2], 10, 40)
	return n, err == nil
}

// processOf reads pid, name, parent and start: fields 1, 2, 4 and 22 of
// /proc/PID/stat (man 5 proc_pid_stat).
func processOf(text string) (process, bool) {
	open, shut := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || shut < open {
		return process{}, false
	}
	f := strings.Fields(text[shut+1:]) // from the third on
	pid, err := strconv.Atoi(strings.TrimSpace(text[:open]))
	if err != nil || len(f) < 20 {
		return process{}, false
	}
	parent, err := strconv.Atoi(f[4-3])
	started, fault := strconv.ParseUint(f[22-3], 10, 64)
	return process{agentName(text[open+1 : shut]), pid, parent, started}, err == nil && fault == nil
}

// agentName is the whole name of the one program whose name the kernel cuts (linux
// include/linux/sched.h TASK_COMM_LEN).
func agentName(name string) string {
	if name == "kube-controller" {
		return "kube-controller-manager"
	}
	return name
}

// agentsOf leaves out workers of a program that is already there.
func agentsOf(all []process, uptime uint64) []dataplane.Agent {
	names := map[int]string{}
	for _, p := range all {
		names[p.pid] = p.name
	}
	var out []dataplane.Agent
	for _, p := range all {
		if names[p.parent] != p.name && p.name != "" {
			out = append(out, dataplane.Agent{Name: p.name, PID: p.pid, Age: int(max(uptime, p.started)-p.started) / 100})
		}
	}
	return out
}

// health gives the answers to the programs that were asked, as source/host does: of
// several that may hold a port, the one that is nothing else.
func health(agents []dataplane.Agent, answers map[string]string) {
	slices.SortFunc(agents, func(a, b dataplane.Agent) int { return a.PID - b.PID })
	holder := func(name string) *dataplane.Agent {
		for _, name := range []string{name, "k3s-server", "k3s-agent", "k3s", "kubelite"} {
			if i := slices.IndexFunc(agents, func(a dataplane.Agent) bool { return a.Name == name }); i >= 0 {
				return &agents[i]
			}
		}
		return nil
	}
	kubelet, proxy := holder("kubelet"), holder("kube-proxy")
	if text, ok := answers["10248/healthz"]; ok && kubelet != nil {
		outcome, _ := outcomeOf(text)
		note(kubelet, "healthz", outcome)
	}
	if proxy == nil {
		return
	}
	if text, ok := answers["10256/healthz"]; ok {
		outcome, body := outcomeOf(text)
		if proxy == kubelet {
			note(proxy, "proxyHealthz", outcome)
		} else {
			note(proxy, "healthz", outcome)
		}
		note(proxy, "lastUpdated", updated(body))
	}
	if text, ok := answers["10249/proxyMode"]; ok {
		outcome, mode := outcomeOf(text)
		note(proxy, "metrics", outcome)
		if len(mode) <= 20 && strings.Trim(mode, "abcdefghijklmnopqrstuvwxyz") == "" {
			note(proxy, "proxyMode", mode)
		}
	}
}

func note(a *dataplane.Agent, key, value string) {
	if value == "" {
		return
	}
	if a.Health == nil {
		a.Health = map[string]string{}
	}
	a.Health[key] = value
}

// outcomeOf reads "ok 200", "{...} 503" or "refused".
func outcomeOf(text string) (outcome, body string) {
	at := strings.LastIndexByte(text, ' ')
	code := text[at+1:]
	switch {
	case code == "200":
		outcome = "ok"
	case len(code) == 3 && isNumber(code) && code != "000":
		outcome = code
	case code == "silence":
		outcome = "no answer"
	case code == "refused" || code == "reset":
		outcome = code
	default:
		outcome = "not understood"
	}
	return outcome, strings.TrimSpace(text[:max(at, 0)])
}

// updated takes lastUpdated out of kube-proxy's /healthz, in the forms of
// kubernetes 1.36 and of 1.25, which prints it as time.Time.String does
// (pkg/proxy/healthcheck/proxier_health.go).
func updated(body string) string {
	var answer struct {
		LastUpdated string `json:"lastUpdated"`
	}
	if json.Unmarshal([]byte(body), &answer) != nil {
		return ""
	}
	text, _, _ := strings.Cut(answer.LastUpdated, " m=")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999 -0700 MST"} {
		switch when, err := time.Parse(layout, text); {
		case err == nil && when.IsZero():
			return "never"
		case err == nil:
			return when.UTC().Format(time.RFC3339Nano)
		}
	}
	return ""
}
