// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"fmt"
	"testing"

	core "k8s.io/api/core/v1"

	"whohas/guard/policy"
)

// BenchmarkWrite is one write of a Service, as the real plugin answers it: one that
// claims a free address, and one that claims none, which the match conditions let by.
func BenchmarkWrite(b *testing.B) {
	for _, form := range forms {
		for _, n := range []int{3, 100, 1000, 3000} {
			w := sized(b, n)
			s := served(b, w.policy(b, policy.Options{Form: form}), w.objects()...)
			for name, o := range map[string]*core.Service{
				"claims": service(b, `{"spec":{"externalIPs":["10.200.0.1"],"ports":[{"port":80}]}}`),
				"plain":  service(b, cured),
			} {
				b.Run(fmt.Sprintf("%s/%d/%s", form, n, name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if err := s.write(context.Background(), nil, o, anybody); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
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
