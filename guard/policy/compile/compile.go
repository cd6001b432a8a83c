// SPDX-License-Identifier: Apache-2.0

// Package compile compiles an admission policy as an apiserver does. It brings CEL along,
// which is a sixth of a program: who writes policies needs it in tests only, where every
// form of them is compiled.
package compile

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

// Policy compiles every expression as an apiserver does before it evaluates them
// (k8s.io/apiserver v0.37.2 validating/plugin.go compilePolicy): one that does not
// compile there lets everything pass, or nothing.
func Policy(p *admission.ValidatingAdmissionPolicy) error {
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(oldest))
	if err != nil {
		return fmt.Errorf("compile policy: %w", err)
	}
	with := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: true}
	for _, v := range p.Spec.Variables {
		r := compiler.CompileAndStoreVariable(expression{v.Name, v.Expression, cellib.AnyType}, with, environment.NewExpressions)
		if r.Error != nil {
			return fmt.Errorf("compile policy: variable %s: %s", v.Name, r.Error.Detail)
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
