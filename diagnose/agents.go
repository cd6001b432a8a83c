// SPDX-License-Identifier: Apache-2.0

package diagnose

import (
	"cmp"
	"fmt"

	"whohas/dataplane"
	"whohas/kubeproxy"
)

// The weights of problems that are an answer by themselves, where no finding
// explains them: what is nearest to the wire comes first.
const (
	byItself  = iota // no answer, only in a line with others
	weakSign         // points somewhere
	agentDown        // a program does not run or does not answer
	serverDown
	refusedHere // by a rule of this host
	noRoute
	linkDown
	strangerOnWire
)

// kubelet is what people look at first: does it run, and what does it say?
func kubelet(x *examination) []Check {
	const name = "kubelet"
	if c, ok := x.notRead(name, "agents"); ok {
		return []Check{c}
	}
	a, ok := x.agent("kubelet", "k3s", "rke2", "kubelite")
	if !ok {
		return []Check{{Name: name, Outcome: Problem, Text: "no kubelet runs here", weight: agentDown}}
	}
	text := fmt.Sprintf("%s has been running for %s", a.Name, since(a.Age))
	evidence := []string{fmt.Sprintf("process %d", a.PID)}
	if health := a.Health["healthz"]; health != "" {
		evidence = append(evidence, "127.0.0.1:10248/healthz: "+health)
		if health == "refused" { // it has no such port, or not yet
			return []Check{{Name: name, Outcome: Missing, Text: text + " and does not report its health", Evidence: evidence}}
		}
		if health != "ok" {
			return []Check{{Name: name, Outcome: Problem, Text: text + ", and says that it is not healthy", Evidence: evidence, weight: agentDown}}
		}
	}
	if n := x.logMatches("lease", "refused", "no-route", "timeout"); len(n) > 0 {
		return []Check{{Name: name, Outcome: Problem, Text: text + ", and does not reach the apiserver", Evidence: append(evidence, quote(n)...), weight: byItself, cutOff: true}}
	}
	if n := x.logMatches("certificate"); len(n) > 0 {
		return []Check{{Name: name, Outcome: Problem, Text: text + ", and the apiserver's certificate is not what it expects", Evidence: append(evidence, quote(n)...), weight: weakSign}}
	}
	return []Check{{Name: name, Outcome: OK, Text: text, Evidence: evidence}}
}

// runtime is the container runtime, and the kubelet's view of it.
func runtime(x *examination) []Check {
	const name = "container runtime"
	if c, ok := x.notRead(name, "agents"); ok {
		return []Check{c}
	}
	if n := x.logMatches("pleg", "runtime"); len(n) > 0 {
		return []Check{{Name: name, Outcome: Problem, Text: "the kubelet waits for it", Evidence: quote(n), weight: weakSign}}
	}
	a, ok := x.agent("containerd", "dockerd", "crio", "k3s", "rke2", "kubelite")
	if !ok {
		return []Check{{Name: name, Outcome: Missing, Text: "none that is known runs here"}}
	}
	text := a.Name + " has been running for " + since(a.Age)
	if _, unread := x.unread("notices"); unread || !x.wasRead("notices") {
		return []Check{{Name: name, Outcome: OK, Text: text + "; logs were not read"}}
	}
	return []Check{{Name: name, Outcome: OK, Text: text + ", and no log complains of it"}}
}

// proxy is kube-proxy's real mode: what it says, and what the kernel shows. An old
// one falls back to iptables in silence (seen with 1.25.9 without ip_vs_wrr).
func proxy(x *examination) []Check {
	const name = kubeproxy.Process
	s := kubeproxy.Recognise(x.host)
	shown, sign := s.Mode, s.By
	a, runs := x.agent(name, kubeproxy.RouterProcess, "k3s", "rke2", "kubelite")
	said := a.Health["proxyMode"]
	var evidence []string
	if said != "" {
		evidence = append(evidence, fmt.Sprintf("127.0.0.1:%d/proxyMode: %s", kubeproxy.MetricsPort, said))
	}
	if sign != "" {
		evidence = append(evidence, sign)
	}
	for _, n := range x.logMatches("restore", "fallback") {
		evidence = append(evidence, quote([]dataplane.LogMatch{n})...)
	}
	if f := a.Health["restoreFailures"]; f != "" && f != "0" {
		evidence = append(evidence, "rules that it could not load, since it runs: "+f)
	}
	c := Check{Name: name, Outcome: OK, Evidence: evidence, Text: cmp.Or(said, string(shown), "mode unknown")}
	switch {
	case !runs && x.wasRead("agents"):
		c.Text = "none runs here"
		if shown != dataplane.ModeUnknown {
			c.Outcome, c.weight, c.Text = Problem, weakSign, fmt.Sprintf("none runs here, and the kernel holds what one made in %s mode", shown)
		}
	case said != "" && shown != dataplane.ModeUnknown && said != string(shown):
		c.Outcome, c.weight = Problem, weakSign
		c.Text = fmt.Sprintf("it says %s, and the kernel shows %s", said, shown)
	case len(x.logMatches("restore")) > 0:
		c.Outcome, c.weight, c.Text = Problem, weakSign, c.Text+" mode; it could not load its rules"
	case c.Text == "mode unknown":
		c.Outcome = Missing
	default:
		c.Text += " mode"
	}
	return []Check{c}
}

// since says how long something runs: "3 s", "12 min", "5 h", "9 d".
func since(seconds int) string {
	switch {
	case seconds < 120:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%d min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%d h", seconds/3600)
	}
	return fmt.Sprintf("%d d", seconds/86400)
}
