// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The metrics of kube-proxy's syncs (kubernetes pkg/proxy/metrics/metrics.go). In
// 1.36 each has the label ip_family, in 1.25 none has: there both families write
// into one.
const (
	syncPrefix     = "kubeproxy_sync_proxy_rules_"
	syncCount      = syncPrefix + "duration_seconds_count"
	syncLast       = syncPrefix + "last_timestamp_seconds"
	syncQueued     = syncPrefix + "last_queued_timestamp_seconds"
	restoreFailure = syncPrefix + "iptables_restore_failures_total"
)

// samples are values by metric and family; the family of 1.25 is empty.
type samples map[string]map[string]float64

// parseSamples reads Prometheus' text format, version 0.0.4, of which it keeps the
// metrics of kube-proxy's syncs. A line that breaks the format ends it. A last line
// without its end was cut off, and is left out.
func parseSamples(r io.Reader) (samples, error) {
	out := samples{}
	lines := bufio.NewReader(io.LimitReader(r, metricsLength))
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if err != nil {
			return out, nil
		}
		if !strings.HasPrefix(line, syncPrefix) {
			continue
		}
		name, family, value, ok := parseSample(strings.TrimRight(line, "\r\n"))
		if !ok {
			return out, fmt.Errorf("line %d: no sample", n)
		}
		switch name {
		case syncCount, syncLast, syncQueued, restoreFailure:
			if out[name] == nil {
				out[name] = map[string]float64{}
			}
			out[name][family] = value
		}
	}
}

// parseSample reads NAME{LABEL="VALUE",...} NUMBER [TIME].
func parseSample(line string) (name, family string, value float64, ok bool) {
	i := strings.IndexAny(line, "{ \t")
	if i <= 0 {
		return "", "", 0, false
	}
	name, rest := line[:i], line[i:]
	if rest[0] == '{' {
		if family, rest, ok = parseLabels(rest[1:]); !ok {
			return "", "", 0, false
		}
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 || len(fields) > 2 {
		return "", "", 0, false
	}
	value, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return "", "", 0, false
	}
	return name, family, value, true
}

// parseLabels reads labels up to the closing brace, and gives the family and what
// follows.
func parseLabels(text string) (family, rest string, ok bool) {
	for {
		text = strings.TrimLeft(text, " \t")
		if after, ok := strings.CutPrefix(text, "}"); ok {
			return family, after, true
		}
		name, after, ok := strings.Cut(text, "=\"")
		if !ok || name == "" || strings.ContainsAny(name, "}\", \t") {
			return "", "", false
		}
		end := endOfValue(after)
		if end < 0 {
			return "", "", false
		}
		if name == "ip_family" {
			family = after[:end]
		}
		text = strings.TrimLeft(after[end+1:], " \t")
		if next, ok := strings.CutPrefix(text, ","); ok {
			text = next
		} else if !strings.HasPrefix(text, "}") {
			return "", "", false
		}
	}
}

// endOfValue finds the quote that is not escaped.
func endOfValue(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// summary adds up what is counted. Of the two times it gives those of one family:
// of the one whose sync is furthest behind what was queued for it. A time of the one
// beside a time of the other would mean nothing.
func (s samples) summary() map[string]string {
	out := map[string]string{}
	for key, name := range map[string]string{"syncs": syncCount, "restoreFailures": restoreFailure} {
		if len(s[name]) == 0 {
			continue
		}
		sum := 0.0
		for _, value := range s[name] {
			sum += value
		}
		out[key] = strconv.FormatFloat(sum, 'f', -1, 64)
	}
	family := s.behind()
	for key, name := range map[string]string{"lastSync": syncLast, "lastQueued": syncQueued} {
		if value, ok := s[name][family]; ok && value > 0 && value < 1e11 { // 0: never
			out[key] = strconv.FormatFloat(value, 'f', 3, 64)
		}
	}
	return out
}

func (s samples) behind() string {
	families := slices.Collect(maps.Keys(s[syncLast]))
	families = slices.AppendSeq(families, maps.Keys(s[syncQueued]))
	slices.Sort(families)
	best, lag := "", math.Inf(-1)
	for _, f := range families {
		if late := s[syncQueued][f] - s[syncLast][f]; late > lag {
			best, lag = f, late
		}
	}
	return best
}
