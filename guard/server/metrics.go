// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"time"

	"whohas/dataplane"
	"whohas/guard/audit"
	"whohas/guard/watch"
	"whohas/guard/webhook"
	"whohas/source/file"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the guard's own; deploy/ has rules and a dashboard for them.
type metrics struct {
	decisions *prometheus.CounterVec
	seconds   prometheus.Histogram
	excused   prometheus.Counter
	findings  *prometheus.GaugeVec
	round     prometheus.Gauge
	dropped   prometheus.Counter
	unsafe    prometheus.Gauge
	turned    *prometheus.CounterVec
	all       []prometheus.Collector
}

func newMetrics(into prometheus.Registerer, w *watch.Watch, certificate string) *metrics {
	m := &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "whohas_guard_decisions_total", Help: "Requests answered, by outcome."}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "whohas_guard_decision_seconds", Help: "Time to decide, without decoding.",
			Buckets: prometheus.ExponentialBuckets(10e-6, 4, 9)}),
		excused:  prometheus.NewCounter(prometheus.CounterOpts{Name: "whohas_guard_excused_total", Help: "Refusals lifted by an annotation and the permission for it."}),
		findings: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "whohas_findings", Help: "Conflicts that stand now, by rule and severity; kept by the leader."}, []string{"rule", "severity"}),
		round:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "whohas_guard_audit_timestamp_seconds", Help: "When the last audit ended; kept by the leader."}),
		dropped:  prometheus.NewCounter(prometheus.CounterOpts{Name: "whohas_guard_events_dropped_total", Help: "Events that were not sent because there were too many."}),
		unsafe:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "whohas_guard_fail_closed_unsafe", Help: "1 if failurePolicy is Fail and the replicas are too few or all in one place; kept by the leader."}),
	}
	m.turned = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "whohas_guard_connections_turned_away_total", Help: "Connections to the webhook that were turned away, by reason."}, []string{"reason"})
	for _, why := range []string{turnedCrowd, turnedUnsaid, turnedHandshake} {
		m.turned.WithLabelValues(why)
	}
	for _, o := range []webhook.Outcome{webhook.Allowed, webhook.Warned, webhook.Refused, webhook.Excused, webhook.Unread, webhook.Malformed, webhook.NotReady, webhook.Busy, webhook.Failed, webhook.Gone} {
		m.decisions.WithLabelValues(string(o))
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	m.all = []prometheus.Collector{m.decisions, m.seconds, m.excused, m.findings, m.round, m.dropped, m.unsafe, m.turned,
		gauge("whohas_guard_register_claims", "Claims in the register.", func() float64 { n, _ := w.Size(); return float64(n) }),
		gauge("whohas_guard_register_objects", "Objects that the register is made of.", func() float64 { _, n := w.Size(); return float64(n) }),
		gauge("whohas_guard_ready", "1 once everything that can be read has been read.", func() float64 { return number(isReady(w)) }),
		gauge("whohas_guard_mode_known", "1 if kube-proxy's mode is known; while it is not, what depends on it is warned about and not refused.", func() float64 {
			return number(w.Facts().Mode != dataplane.ModeUnknown)
		}),
		gauge("whohas_guard_certificate_expiry_seconds", "Seconds until the serving certificate expires; 0 while there is none.", func() float64 { return untilExpiry(certificate) }),
	}
	into.MustRegister(m.all...)
	return m
}

// end takes them away: one process may serve again.
func (m *metrics) end(from prometheus.Registerer) {
	for _, c := range m.all {
		from.Unregister(c)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func isReady(w *watch.Watch) bool {
	select {
	case <-w.Ready():
		return true
	default:
		return false
	}
}

// untilExpiry is how long the certificate in a file is good for, in seconds; 0 where
// there is none.
func untilExpiry(name string) float64 {
	text, err := file.Read(name, file.Small)
	if err != nil {
		return 0
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return 0
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return 0
	}
	return time.Until(leaf.NotAfter).Seconds()
}

// answered counts an answer.
func (m *metrics) answered(a webhook.Answered) {
	m.decisions.WithLabelValues(string(a.Outcome)).Inc()
	if a.Took > 0 {
		m.seconds.Observe(a.Took.Seconds())
	}
	m.excused.Add(float64(len(a.Decision.Excused)))
}

// forget takes back what only the leader tells: this process is it no more.
func (m *metrics) forget() {
	m.findings.Reset()
	m.round.Set(0)
	m.unsafe.Set(0)
}

// Publish implements audit.Publisher.
func (m *metrics) Publish(_ context.Context, r *audit.Round) error {
	m.findings.Reset()
	for i := range r.Findings {
		m.findings.WithLabelValues(r.Findings[i].Rule.ID, r.Findings[i].Severity.String()).Inc()
	}
	m.round.Set(float64(r.Taken.Add(r.Took).Unix()))
	return nil
}
