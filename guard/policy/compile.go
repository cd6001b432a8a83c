// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"

	cellib "github.com/google/cel-go/cel"
	admission "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
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
		r := compiler.CompileAndStoreVariable(expression{v.Name, v.Expression, cellib.AnyType}, with, environment.NewExpressions)
		if r.Error != nil {
			return tooLarge(v.Expression, fmt.Errorf("compile policy: variable %s: %s", v.Name, r.Error.Detail))
		}
	}
	for _, c := range p.Spec.MatchConditions {
		if r := compiler.CompileCELExpression(expression{c.Name, c.Expression, cellib.BoolType}, with, environment.NewExpressions); r.Error != nil {
			return fmt.Errorf("compile policy: match condition %s: %s", c.Name, r.Error.Detail)
		}
	}
	message := with
	message.HasAuthorizer = false
	for i, v := range p.Spec.Validations {
		r := compiler.CompileCELExpression(expression{"", v.Expression, cellib.BoolType}, with, environment.NewExpressions)
		if r.Error == nil {
			r = compiler.CompileCELExpression(expression{"", v.MessageExpression, cellib.StringType}, message, environment.NewExpressions)
		}
		if r.Error != nil {
			return fmt.Errorf("compile policy: validation %d: %s", i, r.Error.Detail)
		}
	}
	return nil
}

// expression is a text with the type that it must have. The plugin's own types would
// bring the whole plugin into the program.
type expression struct {
	name, text string
	returns    *cellib.Type
}

func (e expression) GetName() string             { return e.name }
func (e expression) GetExpression() string       { return e.text }
func (e expression) ReturnTypes() []*cellib.Type { return []*cellib.Type{e.returns} }

// tooLarge tells an expression above CEL's limit from one that is wrong.
func tooLarge(expression string, err error) error {
	const limit = 100_000
	if len(expression) > limit {
		return fmt.Errorf("%w: an expression of %d characters, of which %d are read", ErrLimits, len(expression), limit)
	}
	return err
}
