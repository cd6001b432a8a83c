// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"unicode/utf8"

	admission "k8s.io/api/admissionregistration/v1"
)

// mostRead is the most characters of an expression that CEL reads
// (github.com/google/cel-go parser/options.go defaultExpressionSizeCodePointLimit), and
// mostText the most of a literal map that is chosen unasked.
const (
	mostRead = 100_000
	mostText = 90_000
)

// within tells of an expression that no apiserver reads. That those which are read compile,
// tests say of every form (package compile).
func within(p *admission.ValidatingAdmissionPolicy) error {
	for _, v := range p.Spec.Variables {
		if n := utf8.RuneCountInString(v.Expression); n > mostRead {
			return fmt.Errorf("%w: variable %s: an expression of %d characters, of which %d are read", ErrLimits, v.Name, n, mostRead)
		}
	}
	return nil
}
