// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	"whohas/testkit/apiserver"
)

// TestGuardPolicyInACluster applies what the command prints to a real kube-apiserver:
// each form refuses the incident, by whatever way it comes, and lets the fix pass.
func TestGuardPolicyInACluster(t *testing.T) {
	s := apiserver.Start(t)
	for _, ns := range []string{"demo", "whohas-system"} {
		s.Kubectl("create", "namespace", ns)
	}
	s.Kubectl("apply", "-f", incident+"/nodes.yaml")
	for _, form := range []string{"node-params", "literal", "map-param"} {
		t.Run(form, func(t *testing.T) {
			s := s.With(t)
			status, text, stderr := run(t, "guard", "policy", "--kubeconfig", s.Kubeconfig(apiserver.Admin), "--proxy-mode", "ipvs", "--form", form)
			if status != exitOK {
				t.Fatalf("exit status %d\n%s", status, stderr)
			}
			s.KubectlInput(text, "apply", "-f", "-")
			refuses(t, s, "create", "--dry-run=server", "-f", incident+"/tomcat.yaml")

			s.KubectlInput(harmless, "apply", "-f", "-")
			refuses(t, s, "-n", "demo", "patch", "service", "web", "--type=merge", "-p", `{"spec":{"externalIPs":["192.168.10.114"]}}`)
			refuses(t, s, "-n", "demo", "patch", "service", "web", "--type=merge", "--subresource=status", "-p", `{"status":{"loadBalancer":{"ingress":[{"ip":"192.168.10.115"}]}}}`)
			refuses(t, s, "-n", "demo", "patch", "service", "web", "--type=merge", "-p", `{"spec":{"loadBalancerIP":"192.168.10.116"}}`)

			// An old conflict: made while the guard was off.
			s.Kubectl("delete", "validatingadmissionpolicybinding", "whohas-guard")
			apiserver.Eventually(t, func() error {
				_, err := s.KubectlAs(apiserver.Admin, "", "-n", "demo", "patch", "service", "web", "--type=merge", "-p", `{"spec":{"externalIPs":["192.168.10.114"]}}`)
				return err
			})
			s.KubectlInput(text, "apply", "-f", "-")
			refuses(t, s, "create", "--dry-run=server", "-f", incident+"/tomcat.yaml")
			s.Kubectl("-n", "demo", "label", "service", "web", "tier="+form)
			s.Kubectl("-n", "demo", "patch", "service", "web", "--type=merge", "-p", `{"spec":{"externalIPs":null}}`)
			s.Kubectl("-n", "demo", "delete", "service", "web")
			s.Kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "whohas-guard")
		})
	}
}

const harmless = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec:
  type: LoadBalancer
  externalIPs: [192.168.10.117]
  ports: [{port: 80}]
`

// refuses waits until the apiserver has learned of the policy: it reads policies again
// every second.
func refuses(t *testing.T, s *apiserver.Server, args ...string) {
	t.Helper()
	var heard string
	apiserver.Eventually(t, func() error {
		out, err := s.KubectlAs(apiserver.Admin, "", args...)
		if err == nil {
			return errPassed(out)
		}
		heard = err.Error()
		return nil
	})
	if !strings.Contains(heard, "denied request: WH10") || !strings.Contains(heard, "belongs to node cdev0") {
		t.Errorf("kubectl %s: %s", strings.Join(args, " "), heard)
	}
}

type errPassed string

func (e errPassed) Error() string { return "passed: " + string(e) }
