// SPDX-License-Identifier: Apache-2.0

package cli

import "testing"

func TestCalled(t *testing.T) {
	for arg, want := range map[string]string{
		"whohas": "whohas", "/usr/local/bin/whohas": "whohas", "kubectl-whohas": "kubectl-whohas",
		"/root/.krew/bin/kubectl-whohas": "kubectl whohas", "./whohas-v1.2": "whohas-v1.2", "whohas.exe": "whohas",
		"": "whohas", "/x/a b": "whohas", "/x/$(id)": "whohas", "/x/\x1b[31m": "whohas", "/x/-rf": "whohas",
	} {
		if got := called(arg); got != want {
			t.Errorf("%q: %q, want %q", arg, got, want)
		}
	}
}
