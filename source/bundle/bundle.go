// SPDX-License-Identifier: Apache-2.0

// Package bundle reads and writes the snapshot file: everything that a Snapshot
// holds, in one file that every command takes in place of the cluster.
//
// A file is gzip over lines of JSON. The first line is the header
//
//	{"format":"whohas/snapshot","version":1,"tool":"...","taken":"...","objects":N,"pods":N,"slices":N}
//
// then comes one record a line, an array whose first element names its sort
//
//	["object", ref, version, tree, file, line, lines, odd]
//	["pod", namespace, name, node, phase, hostIP, ips, controller, hostNetwork, hostPorts, file, line]
//	["slice", ref, service, addresses, ports, managedBy, controller, created, file, line]
//	["host", name, {...}]
//	["coverage", source, status, count, complete, detail, line, failed]
//
// and the last line {"end":N} tells how many records there were. A ref is
// [kind, name, namespace, group]. Zero elements at the end of an array are left
// out; a reader passes over elements behind those it knows, and over records of
// sorts it does not know. So what is added later needs no new version.
//
// The tree of an object is the JSON of its kept fields, with its keys in the
// order written. What JSON cannot say of it stands beside it: lines holds, for
// each value in the order of the text, by how much its line differs from that
// of the value before, and odd names the values that stand in the tree as a
// string and are none. docs/snapshot-format.md has it in full.
package bundle

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
)

const (
	format  = "whohas/snapshot"
	version = 1

	maxRecord = 64 << 20 // bytes of one line
	maxValues = 1 << 19  // values in one object's tree: an object of 16 MiB has fewer
	maxDepth  = 1000     // of a tree
	maxHost   = 96 << 20 // bytes of memory for one host, at most
)

// magic is how the text of every snapshot file begins.
const magic = `{"format":"` + format + `"`

// Is reports whether a file that begins so is a snapshot. Some hundred bytes are
// enough: the header is a compressed block of its own.
func Is(head []byte) bool {
	if len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b {
		return false
	}
	unzip, err := gzip.NewReader(bytes.NewReader(head))
	if err != nil {
		return false
	}
	text := make([]byte, len(magic))
	n, _ := io.ReadFull(unzip, text) // the head is cut anywhere
	return string(text[:n]) == magic
}

// PartialError says that a snapshot was not read to its end. What stood before
// is in the Builder, and so is a Failed line of coverage: the reader may go on.
type PartialError struct {
	File string
	Err  error
}

func (e *PartialError) Error() string { return fmt.Sprintf("read %s: %v", e.File, e.Err) }

// Unwrap gives the cause.
func (e *PartialError) Unwrap() error { return e.Err }
