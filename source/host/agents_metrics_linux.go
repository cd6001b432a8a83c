// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
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

// parseSamples reads Prometheus' text format, of which it keeps the metrics of
// kube-proxy's syncs. A line that breaks the format ends it: what was read before it is
// given, too.
func parseSamples(r io.Reader) (samples, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(r, metricsLength))
	out := samples{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			key, value := name, cmp.Or(m.GetGauge().GetValue(), m.GetCounter().GetValue(), m.GetUntyped().GetValue())
			if h := m.GetHistogram(); h != nil {
				key, value = name+"_count", float64(h.GetSampleCount())
			}
			if kept := []string{syncCount, syncLast, syncQueued, restoreFailure}; !slices.Contains(kept, key) || math.IsNaN(value) || math.IsInf(value, 0) {
				continue
			}
			if out[key] == nil {
				out[key] = map[string]float64{}
			}
			out[key][familyOf(m)] = value
		}
	}
	return out, err
}

// familyOf is a metric's label ip_family.
func familyOf(m *dto.Metric) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == "ip_family" {
			return l.GetValue()
		}
	}
	return ""
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
