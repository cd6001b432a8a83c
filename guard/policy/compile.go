// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"

	admission "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"
)

// oldest is the oldest version of CEL's environment that has the functions for
// addresses; apiservers from 1.31 on take new expressions of it
// (k8s.io/apiserver v0.37.2 pkg/cel/environment/base.go).
var oldest = version.MajorMinor(1, 30)

// mostText is the most characters of a literal map that is chosen unasked. CEL reads
// no expression above 100,000 code points (github.com/google/cel-go parser/options.go
// defaultExpressionSizeCodePointLimit).
const mostText = 90_000

// compile compiles every expression as an apiserver does before it evaluates them
// (k8s.io/apiserver v0.37.2 validating/plugin.go compilePolicy): one that does not
// compile there lets everything pass, or nothing.
func compile(p *admission.ValidatingAdmissionPolicy) error {
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(oldest))
	if err != nil {
		return fmt.Errorf("compile policy: %w", err)
	}
	with := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: true}
	for _, v := range p.Spec.Variables {
		r := compiler.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression}, with, environment.NewExpressions)
		if r.Error != nil {
			return tooLarge(v.Expression, fmt.Errorf("compile policy: variable %s: %s", v.Name, r.Error.Detail))
		}
	}
	for i := range p.Spec.MatchConditions {
		c := (*matchconditions.MatchCondition)(&p.Spec.MatchConditions[i])
		if r := compiler.CompileCELExpression(c, with, environment.NewExpressions); r.Error != nil {
			return fmt.Errorf("compile policy: match condition %s: %s", c.Name, r.Error.Detail)
		}
	}
	message := with
	message.HasAuthorizer = false
	for i, v := range p.Spec.Validations {
		r := compiler.CompileCELExpression(&validating.ValidationCondition{Expression: v.Expression}, with, environment.NewExpressions)
		if r.Error == nil {
			r = compiler.CompileCELExpression(&validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}, message, environment.NewExpressions)
		}
		if r.Error != nil {
			return fmt.Errorf("compile policy: validation %d: %s", i, r.Error.Detail)
		}
	}
	return nil
}

// tooLarge tells an expression above CEL's limit from one that is wrong.
func tooLarge(expression string, err error) error {
	const limit = 100_000
	if len(expression) > limit {
		return fmt.Errorf("%w: an expression of %d characters, of which %d are read", ErrLimits, len(expression), limit)
	}
	return err
}
