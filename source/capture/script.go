// SPDX-License-Identifier: Apache-2.0

package capture

import (
	_ "embed"
)

// marker begins the lines that Script's script writes between outputs:
//
//	### whohas: capture 1
//	### whohas: host cdev02
//	### whohas: run ip -d addr show      what comes is this command's output
//	### whohas: run told kubeconfig kubelet /etc/kubernetes/kubelet.conf
//	                                     what a file of that form says to that program
//	### whohas: said ...                 the first lines of its complaint
//	### whohas: exit 0                   its end, and its status
//	### whohas: none ipvs why            there is nothing to read in that section
//	### whohas: missing ipset why        the tool is not there
//	### whohas: end
const marker = "### whohas: "

//go:embed capture.sh
var script string

// Script is a plain POSIX shell script that captures a host's state to its standard
// output; its first argument is where the host's files are, / if there is none. It
// changes nothing, loads no kernel module, asks for nothing that is
// secret, and needs no more than a shell. A tool that is not there is named in the
// output.
func Script() string { return script }
