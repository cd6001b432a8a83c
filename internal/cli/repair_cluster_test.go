// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"path/filepath"
	"strings"
	"testing"

	realserver "whohas/testkit/apiserver"
)

// testRepair repairs the incident from somebody's own desk: the plan, a dry run, the
// repair, and the way back.
func testRepair(t *testing.T, s *realserver.Server, admin string) {
	for _, node := range []string{"cdev01", "cdev02", "cdev03"} {
		s.Kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", `{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`)
	}
	undo := filepath.Join(t.TempDir(), "undo.json")
	repair := func(want int, says string, args ...string) {
		t.Helper()
		status, out, errs := run(t, append([]string{"repair", "--no-probe", "--kubeconfig", admin, "--timeout", "20s"}, args...)...)
		if status != want || !strings.Contains(out+errs, says) {
			t.Errorf("repair %v: exit status %d, want %d and %q\n%s%s", args, status, want, says, out, errs)
		}
	}
	claims := func(want int) {
		t.Helper()
		if got := len(runCheck(t, map[bool]int{true: exitFindings, false: exitOK}[want > 0], "--kubeconfig", admin).Findings); got != want {
			t.Errorf("%d findings, want %d", got, want)
		}
	}
	repair(exitFindings, "kubectl -n demo patch service tomcat --type=json")
	repair(exitFindings, "would be removed", "--apply", "--dry-run")
	claims(1)
	repair(exitOK, "HEALED", "--apply", "--limit", "30s", "--undo-file", undo)
	claims(0)
	repair(exitOK, "Service demo/tomcat", "--undo", undo)
	claims(1)
	repair(exitFailed, "--dry-run without --apply", "--dry-run")
	repair(exitFailed, "no time to do anything", "--apply", "--limit", "0s")
}
