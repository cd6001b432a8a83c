// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"whohas/dataplane"
	"whohas/lab"
	"whohas/snapshot"
	"whohas/source/bundle"
)

// Compare holds a run against what is on record in a folder and says how it
// differs, line by line; nothing: it does not. Times, versions and whatever is
// another in each run are not compared.
func Compare(recorded string, r *lab.Run) ([]string, error) {
	want, err := os.ReadFile(filepath.Join(recorded, "observed.txt"))
	if errors.Is(err, fs.ErrNotExist) {
		return []string{"nothing is on record: run it with -update"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	diff := lines("observed.txt", string(want), r.Observed())
	for _, name := range snapshots(r) {
		data, err := os.ReadFile(filepath.Join(recorded, name))
		if err != nil {
			return append(diff, name+": not on record"), nil
		}
		was, err := Hosts(data)
		if err != nil {
			return nil, fmt.Errorf("read record %s: %w", name, err)
		}
		is, err := Hosts(r.Files[name])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		diff = append(diff, lines(name, was, is)...)
	}
	return diff, nil
}

// Keep puts a run on record.
func Keep(recorded string, r *lab.Run) error {
	if err := os.RemoveAll(recorded); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if err := os.MkdirAll(recorded, 0o755); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	files := map[string][]byte{
		"observed.txt": []byte(r.Observed()), "timeline.txt": []byte(r.Timeline()), "versions.txt": []byte(r.Versions()),
	}
	for name, data := range r.Files {
		files[name] = data
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(recorded, name), data, 0o644); err != nil {
			return fmt.Errorf("write record: %w", err)
		}
	}
	return nil
}

func snapshots(r *lab.Run) []string {
	var names []string
	for name := range r.Files {
		if strings.HasSuffix(name, ".snapshot") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Hosts gives the hosts of a snapshot as text, one fact a line, without what is
// another in each run: process numbers, the listeners of clients, neighbours,
// counters' victims such as lifetimes and indexes.
func Hosts(file []byte) (string, error) {
	var into snapshot.Builder
	if err := bundle.Read(bytes.NewReader(file), "record", &into); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, h := range into.Snapshot().Hosts {
		for _, fact := range facts(h) {
			fmt.Fprintf(&b, "%s: %s\n", h.Name, fact)
		}
	}
	return b.String(), nil
}

// steady are the parts of a host that are the same in each run.
func steady(h dataplane.Host) map[string][]any {
	parts := map[string][]any{}
	for _, l := range h.Links {
		parts["link"] = append(parts["link"], []any{l.Name, l.Kind, l.Up, l.NoARP})
	}
	for _, a := range h.Addresses {
		parts["address"] = append(parts["address"], a)
	}
	for _, r := range h.Routes {
		parts["route"] = append(parts["route"], r)
	}
	for _, p := range h.Policies {
		parts["policy"] = append(parts["policy"], p)
	}
	for _, s := range h.Servers {
		parts["server"] = append(parts["server"], s)
	}
	for _, s := range h.Sets {
		parts["set"] = append(parts["set"], s)
	}
	for _, t := range h.Tables {
		for _, c := range t.Chains {
			rules := slices.Clone(c.Rules)
			parts["chain"] = append(parts["chain"], []any{t.Backend, t.Family, t.Name, c.Name, c.Policy, rules})
		}
		for _, m := range t.Maps {
			parts["map"] = append(parts["map"], []any{t.Family, t.Name, m})
		}
	}
	return parts
}

func facts(h dataplane.Host) []string {
	var all []string
	for name, list := range steady(h) {
		for _, x := range list {
			text, err := json.Marshal(x)
			if err != nil {
				text = []byte(err.Error())
			}
			all = append(all, name+" "+string(text))
		}
	}
	slices.Sort(all)
	return all
}

// lines tells which lines were lost and which are new.
func lines(name, want, got string) []string {
	var diff []string
	was, is := strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(got), "\n")
	for _, l := range was {
		if !slices.Contains(is, l) {
			diff = append(diff, name+": -"+l)
		}
	}
	for _, l := range is {
		if !slices.Contains(was, l) {
			diff = append(diff, name+": +"+l)
		}
	}
	if diff == nil && !slices.Equal(was, is) {
		diff = append(diff, name+": the order of the lines differs")
	}
	return diff
}
