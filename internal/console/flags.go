// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Strict lets every flag of a command and of those below it say what it is given:
// an empty name names nothing, and of a flag that is given twice only one counts.
func Strict(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		v := &strictValue{Value: f.Value, mayBeEmpty: strings.Contains(f.Usage, "empty: ")} // where the help says what that means
		switch v.Type() {
		case "stringArray", "stringSlice":
			v.list = true
			f.DefValue = "" // that of a list without items, "[]", would stand in the help
		}
		f.Value = v
	})
	for _, c := range cmd.Commands() {
		Strict(c)
	}
}

type strictValue struct {
	pflag.Value
	list, given, mayBeEmpty bool
}

var (
	errEmptyFlag = errors.New("it is empty")
	errTwice     = errors.New("it is given twice, and only one can count")
)

// Set implements pflag.Value.
func (v *strictValue) Set(text string) error {
	switch {
	case !v.mayBeEmpty && strings.HasPrefix(v.Type(), "string") && strings.Trim(text, " \t,") == "":
		return errEmptyFlag
	case v.given && !v.list:
		return errTwice
	}
	v.given = true
	return v.Value.Set(text)
}
