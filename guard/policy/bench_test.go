// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	core "k8s.io/api/core/v1"

	"whohas/guard/policy"
)

// sizesOf are numbers of addresses that a form is made for; the last is its limit or
// beyond. Nodes as parameters are chosen up to 30; at 100 they show why.
func sizesOf(f policy.Form) []int {
	if f == policy.NodeParams {
		return []int{3, 30, 100}
	}
	return []int{100, 1000, 3000}
}

// BenchmarkWrite is one write of a Service, as the real plugin answers it: one that
// claims a free address, and one that claims none, which the match conditions let by.
// `make bench` reads its lines.
func BenchmarkWrite(b *testing.B) {
	for _, form := range forms {
		for _, n := range sizesOf(form) {
			w := sized(b, n)
			s := served(b, w.policy(b, policy.Options{Form: form}), w.objects()...)
			for _, sort := range []struct {
				name    string
				service *core.Service
			}{
				{"claims", service(b, `{"spec":{"externalIPs":["10.200.0.1"],"ports":[{"port":80}]}}`)},
				{"plain", service(b, fixed)},
			} {
				b.Run(fmt.Sprintf("%s/%d/%s", form, n, sort.name), func(b *testing.B) { measure(b, s, sort.service) })
			}
		}
	}
}

func measure(b *testing.B, s *apiserver, o *core.Service) {
	b.ReportAllocs()
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		if err := s.write(context.Background(), nil, o, anybody); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[(len(took)-1)*p/100]), fmt.Sprintf("p%d-ns", p))
	}
}

// BenchmarkMake is what the command does once the cluster is read.
func BenchmarkMake(b *testing.B) {
	for _, n := range []int{100, 1000, 3000} {
		w := sized(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				w.policy(b, policy.Options{Form: policy.Literal})
			}
		})
	}
}
