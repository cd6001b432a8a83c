// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"

	"whohas/claim"
)

// report is what is read of the program's own JSON.
type report struct {
	Summary            struct{ Objects int }
	Coverage           []coverage
	Findings, Symptoms []finding
}

type coverage struct {
	Source, Status string
	Count          int
}

type finding struct {
	Rule           string
	Address, Range string
	Claimants      []struct{ Object string }
}

// place is the address or range that a finding is about.
func place(address, within string) (claim.Range, error) {
	if address != "" {
		return claim.ParseRange(address)
	}
	return claim.ParseRange(within)
}

// readReport reads one finding at a time: a report on thousands of nodes is
// large, and this program must stay small (see peak).
func readReport(path string) (*report, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	in := json.NewDecoder(file)
	r := &report{}
	if _, err = in.Token(); err == nil {
		err = r.members(in)
	}
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	return r, nil
}

func (r *report) members(in *json.Decoder) error {
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return err
		}
		switch key {
		case "summary":
			err = in.Decode(&r.Summary)
		case "coverage":
			err = in.Decode(&r.Coverage)
		case "findings":
			r.Findings, err = readFindings(in)
		case "symptoms":
			r.Symptoms, err = readFindings(in)
		default:
			err = in.Decode(new(json.RawMessage))
		}
		if err != nil {
			return err
		}
	}
	_, err := in.Token()
	return err
}

func readFindings(in *json.Decoder) ([]finding, error) {
	if _, err := in.Token(); err != nil {
		return nil, err
	}
	var all []finding
	for in.More() {
		var f finding
		if err := in.Decode(&f); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	_, err := in.Token()
	return all, err
}
