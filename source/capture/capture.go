// SPDX-License-Identifier: Apache-2.0

// Package capture reads a host's state from texts that somebody captured by hand
// where whohas cannot run: what ip, ifconfig, bridge, ipvsadm, ipset, iptables-save,
// nft, sysctl, ss and netstat print, whole or in parts, with prompts, with "..."
// where something was cut, and with other text in between. Script prints a shell
// script that captures everything.
//
// Nothing is guessed. A section is complete only where the text says which command
// made it, that command shows all of it, and every line of it was understood.
// Everything else is read all the same, and the coverage says what is missing.
package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/file"
)

// The sections of a host, as Host.Unread and the coverage name them.
const (
	Links      = "links"
	Addresses  = "addresses"
	Routes     = "routes"
	Rules      = "policies"
	Neighbours = "neighbours"
	IPVS       = "ipvs"
	IPSet      = "ipset"
	NFTables   = "nftables"
	IPTables   = "iptables"
	Sysctls    = "sysctls"
	Listeners  = "listeners"
)

// The sections of what runs on the host, as source/host names them. The coverage has
// them where Script captured them, or where a text shows something of one. Nothing
// captures sandboxes and notices.
const (
	Agents     = "agents"
	Configured = "told"
	Sessions   = "sessions"
	Sandboxes  = "sandboxes"
	LogMatches = "notices"
	Counters   = "counters"
)

// Userspace lists them in the order in which the coverage has them, behind Sections.
func Userspace() []string {
	return []string{Agents, Configured, Sessions, Sandboxes, LogMatches, Counters}
}

// Sections lists all sections of the kernel in the order in which the coverage has
// them.
func Sections() []string {
	return []string{Links, Addresses, Routes, Rules, Neighbours, IPVS, IPSet, NFTables, IPTables, Sysctls, Listeners}
}

// What is read at most: a capture of a large node has a few megabytes.
const (
	maxFile  = 64 << 20
	maxLine  = 1 << 20 // but of JSON, which nft and ip write into one line
	maxFiles = 10000   // of a directory
)

// A file that is too large, or none of text, is not read in part: nobody could say
// which part.
var (
	errTooLarge = fmt.Errorf("larger than %d MiB", maxFile>>20)
	errBinary   = errors.New("not a text")
	errForeign  = errors.New("no capture of a host's state in it")
)

// Parse reads one capture; name is what the file is called in messages. A file
// usually shows one host; where its prompts name several, it shows as many. The
// error says that nothing was read.
func Parse(name string, text []byte) ([]dataplane.Host, []snapshot.Coverage, error) {
	p, err := parseFile(name, text)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	return assemble([]*captureFile{p}, stem(name))
}

// Looks reports whether a text is a capture that Parse can read something from. An
// object dump of Kubernetes is none, also where a string in it holds a capture.
func Looks(text []byte) bool {
	p, err := parseFile("", text)
	return err == nil && p.understood() && !p.objects
}

// Read reads a file, or a directory: the files of one directory are parts of one
// host, unless prompts in them name several; its subdirectories are further hosts.
// Files that are no captures are passed over, and the coverage says so.
func Read(ctx context.Context, path string) ([]dataplane.Host, []snapshot.Coverage, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read captures: %w", err)
	}
	if !info.IsDir() {
		text, err := readFile(path)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", path, err)
		}
		return Parse(path, text)
	}
	byDir, coverage, err := readTree(ctx, path)
	if err != nil {
		return nil, nil, fmt.Errorf("read captures: %w", err)
	}
	var hosts []dataplane.Host
	for _, d := range byDir {
		h, lines, err := assemble(d.pieces, hostName(filepath.Base(d.path)))
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", d.path, err)
		}
		hosts, coverage = append(hosts, h...), append(coverage, lines...)
	}
	if len(hosts) == 0 {
		return nil, coverage, fmt.Errorf("read %s: %w", path, errForeign)
	}
	return hosts, coverage, nil
}

// directory holds the captures of one directory.
type directory struct {
	path   string
	pieces []*captureFile
}

// readTree reads all files of a tree, in the order of their names.
func readTree(ctx context.Context, root string) ([]directory, []snapshot.Coverage, error) {
	absolute, err := filepath.Abs(root) // "." has no name
	if err != nil {
		return nil, nil, err
	}
	var out []directory
	var coverage []snapshot.Coverage
	files := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			coverage = append(coverage, snapshot.Coverage{Source: path, Status: snapshot.StatusUnreadable, Detail: err.Error(), Failed: true})
			return nil
		case d.IsDir() || !d.Type().IsRegular():
			return nil
		}
		if files++; files > maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		p, err := readPiece(path)
		switch {
		case err != nil:
			coverage = append(coverage, snapshot.Coverage{Source: path, Status: snapshot.StatusUnreadable, Detail: err.Error(), Failed: !isForeign(err)})
			return nil
		}
		out = add(out, directoryOf(absolute, root, path), p)
		return nil
	})
	return out, coverage, err
}

func isForeign(err error) bool { return errors.Is(err, errForeign) || errors.Is(err, errBinary) }

func directoryOf(absolute, root, path string) string {
	rel, err := filepath.Rel(root, filepath.Dir(path))
	if err != nil {
		return filepath.Dir(path)
	}
	return filepath.Join(absolute, rel)
}

// add puts a file to its directory's. WalkDir enters subdirectories between files.
func add(list []directory, dir string, p *captureFile) []directory {
	for i := range list {
		if list[i].path == dir {
			list[i].pieces = append(list[i].pieces, p)
			return list
		}
	}
	return append(list, directory{dir, []*captureFile{p}})
}

func readPiece(path string) (*captureFile, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	p, err := parseFile(path, text)
	switch {
	case err != nil:
		return nil, err
	case p.objects || !p.understood():
		return nil, errForeign
	}
	return p, nil
}

func readFile(path string) ([]byte, error) {
	text, err := file.Read(path, maxFile)
	if errors.Is(err, file.ErrLarge) {
		err = errTooLarge
	}
	return text, err
}

// captureFile is one file, split into outputs, each read.
type captureFile struct {
	name    string
	outputs []*output
	loose   faults // lines that stand in no output
	foreign faults // lines that other commands printed
	cuts    int    // lines that say that something was left out
	objects bool   // an object of Kubernetes stands in it
}

func parseFile(name string, text []byte) (*captureFile, error) {
	switch {
	case len(text) > maxFile:
		return nil, errTooLarge
	case bytes.IndexByte(text, 0) >= 0:
		return nil, errBinary
	}
	p := split(name, text)
	p.outputs = slices.DeleteFunc(p.outputs, func(b *output) bool { return b.source == fromName && b.empty() })
	for _, b := range p.outputs {
		b.parse()
	}
	return p, nil
}

// understood reports whether anything was.
func (p *captureFile) understood() bool {
	return slices.ContainsFunc(p.outputs, func(b *output) bool { return b.facts.any || b.source == fromMarker })
}

// stem is a file's name without folder and ending, as a host's name.
func stem(path string) string {
	base := filepath.Base(path)
	return hostName(strings.TrimSuffix(base, filepath.Ext(base)))
}

// hostName is a host's name in the form in which the kubelet takes it.
func hostName(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" || text == "." || text == string(filepath.Separator) {
		return "localhost"
	}
	return text
}
