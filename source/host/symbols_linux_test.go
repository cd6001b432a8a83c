// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSymbols: one reading finds all the parts that are built in, and none in a module.
func TestSymbols(t *testing.T) {
	dir := t.TempDir()
	text := "00 T nft_do_chain\n00 T start_kernel\n00 T ip_set_test\t[ip_set]\n00 T register_ip_vs_scheduler\n"
	if err := os.WriteFile(filepath.Join(dir, "kallsyms"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := kernel{proc: dir}.readSymbols()
	if err != nil || !found[nftablesSymbol] || !found[ipvsSymbol] || found[ipsetSymbol] {
		t.Errorf("found %v, %v", found, err)
	}
}
