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
)

// kernel is where the kernel shows what it is made of.
type kernel struct{ proc, sys, modules string }

func kernelPaths() kernel {
	return kernel{"/proc", "/sys", filepath.Join("/lib/modules", release())}
}

// has tells whether a part of the kernel is there. Whoever asks the part itself
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
	return contains(filepath.Join(k.proc, "kallsyms"), func(line string) bool { return strings.HasSuffix(line, " "+symbol) })
}

// contains tells whether a line of the file is the one.
func contains(file string, is func(string) bool) (bool, error) {
	f, err := os.Open(file)
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
