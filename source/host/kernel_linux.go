// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"whohas/source/file"
)

// kernel is where the kernel shows what it is made of. symbols gives those that has
// is asked for, of the kernel's hundred thousand; nil reads them each time.
type kernel struct {
	proc, sys, modules string
	symbols            func() (map[string]bool, error)
}

func kernelPaths() kernel {
	k := kernel{proc: "/proc", sys: "/sys", modules: filepath.Join("/lib/modules", release())}
	k.symbols = sync.OnceValues(k.readSymbols) // a slow kernel takes a fifth of a second for it
	return k
}

// has reports whether a part of the kernel is there. Whoever asks the part itself
// over netlink may load it: netlink_create, ctrl_getfamily and nfnetlink_rcv_msg
// call request_module (linux net/netlink/af_netlink.c, net/netlink/genetlink.c,
// net/netfilter/nfnetlink.c). A module without parameters that is built in is not
// in /sys/module; its symbol then shows it.
func (k kernel) has(module, symbol string) (bool, error) {
	if _, err := os.Stat(filepath.Join(k.sys, "module", module)); err == nil {
		return true, nil
	}
	loaded, err := contains(filepath.Join(k.proc, "modules"), func(line string) bool { return strings.HasPrefix(line, module+" ") })
	switch {
	case loaded:
		return true, nil
	case errors.Is(err, fs.ErrNotExist): // a kernel without modules loads none
		return true, nil
	case err != nil:
		return false, err
	}
	builtin, err := contains(filepath.Join(k.modules, "modules.builtin"), func(line string) bool { return path.Base(line) == module+".ko" })
	if err == nil {
		return builtin, nil
	}
	symbols := k.symbols
	if symbols == nil {
		symbols = k.readSymbols
	}
	found, err := symbols()
	return found[symbol], err
}

// The symbols that show the parts of a kernel.
const (
	ipvsSymbol     = "register_ip_vs_scheduler"
	ipsetSymbol    = "ip_set_test"
	nftablesSymbol = "nft_do_chain"
)

func (k kernel) readSymbols() (map[string]bool, error) {
	found := map[string]bool{}
	_, err := contains(filepath.Join(k.proc, "kallsyms"), func(line string) bool {
		_, name, _ := strings.Cut(line, " ")
		_, name, _ = strings.Cut(name, " ")
		switch name {
		case ipvsSymbol, ipsetSymbol, nftablesSymbol:
			found[name] = true
		}
		return len(found) == 3
	})
	return found, err
}

// contains reports whether a line of the file is the one.
func contains(name string, is func(string) bool) (bool, error) {
	f, err := file.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if is(lines.Text()) {
			return true, nil
		}
	}
	return false, lines.Err()
}
