// SPDX-License-Identifier: Apache-2.0

package command

import "testing"

func TestAs(t *testing.T) {
	for text, want := range map[string]string{
		"sudo whohas repair --apply":                "sudo kubectl whohas repair --apply",
		"(whohas who --free CIDR)":                  "(kubectl whohas who --free CIDR)",
		"see whohas --help":                         "see kubectl whohas --help",
		"whohas demo/tomcat # or svc":               "kubectl whohas demo/tomcat # or svc",
		"whohas 192.168.10.114":                     "kubectl whohas 192.168.10.114",
		"the annotation whohas.io/allow":            "the annotation whohas.io/allow",
		"see kubectl-whohas check --help":           "see kubectl-whohas check --help",
		"Service demo/whohas checks":                "Service demo/whohas checks",
		"whohas tells who has it, whohas-guard not": "whohas tells who has it, whohas-guard not",
	} {
		if got := As("kubectl whohas", text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if As(Program, text) != text || As("", text) != text {
			t.Errorf("%q: changed for who calls it whohas", text)
		}
	}
}
