// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"testing"
	"time"

	"whohas/internal/console"

	"github.com/spf13/pflag"
)

// TestGrace: a host that takes its time to be judged is left behind late, unless a
// --timeout was named. Lab incident-1.36 on a busy machine: 3.5 s were over with nothing
// said.
func TestGrace(t *testing.T) {
	for _, test := range []struct {
		args []string
		late bool
	}{{nil, true}, {[]string{"--timeout", "30s"}, false}} {
		e := &env{end: newEnding(), now: time.Now, Console: console.Console{Stderr: io.Discard}}
		f, set := &hostFlags{}, pflag.NewFlagSet("diagnose", pflag.ContinueOnError)
		f.register(set, diagnoseTimeout)
		if err := set.Parse(append([]string{"--bundle", "../../lab/recorded/incident-1.36/during.snapshot", "--node", "cdev02"}, test.args...)); err != nil {
			t.Fatal(err)
		}
		f.kept = 1 << 30
		begun := time.Now()
		ctx, release, _, err := e.examine(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		end, _ := ctx.Deadline()
		if test.late && end.Before(begun.Add(10*time.Second)) {
			t.Errorf("%v: left behind %v after the beginning", test.args, end.Sub(begun))
		}
		if !test.late && end.After(time.Now().Add(f.timeout+spare)) {
			t.Errorf("%v: left behind %v after the beginning", test.args, end.Sub(begun))
		}
		release()
	}
}
