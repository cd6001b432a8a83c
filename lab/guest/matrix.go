// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"whohas/lab"
)

// matrix pings from each of some hosts to each other's address, and compares
// the whole with a section of the scenario: "matrix ping A B C = SECTION".
func (x *executor) matrix(ctx context.Context, s lab.Step) error {
	names, section := matrixArgs(s.Args)
	want, err := readMatrix(x.scenario.Files[section])
	if err != nil {
		return fmt.Errorf("section %s: %w", section, err)
	}
	var wrong []string
	for _, from := range names {
		for _, to := range names {
			expected := want[[2]string{from, to}]
			q := lab.Query{Subject: from, What: s.Args[0], Args: []string{x.testbed.Host(to).Address.String()}}
			if expected == "lost" {
				q.Want = []string{"no answer"}
			}
			step := lab.Step{Line: s.Line, Query: q}
			answer := x.ask(ctx, q)
			x.saw(step, answer, 0)
			if got := cell(from, to, answer); expected != "" && got != expected {
				wrong = append(wrong, fmt.Sprintf("%s to %s: %s, want %s", from, to, got, expected))
			}
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

func matrixArgs(args []string) (names []string, section string) {
	names = args[1:]
	if n := len(names); n > 2 && names[n-2] == "=" {
		return names[:n-2], names[n-1]
	}
	return names, ""
}

// cell is an answer in one word: "ok" is the host that was meant, "self" the
// asking host in the other's place.
func cell(from, to, answer string) string {
	switch {
	case answer == "answered by "+to:
		return "ok"
	case answer == "answered by "+from:
		return "self"
	case answer == "no answer":
		return "lost"
	case strings.HasPrefix(answer, "port-unreachable"):
		return "refused"
	case strings.HasPrefix(answer, "host-unreachable"):
		return "unreachable"
	}
	return strings.ReplaceAll(answer, " ", "-")
}

// readMatrix reads a table whose first row and column name the hosts.
func readMatrix(text string) (map[[2]string]string, error) {
	cells := map[[2]string]string{}
	var heads []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case heads == nil:
			heads = words
		case len(words) != len(heads)+1:
			return nil, fmt.Errorf("%q has %d cells, want %d", words[0], len(words)-1, len(heads))
		default:
			for i, to := range heads {
				cells[[2]string{words[0], to}] = words[i+1]
			}
		}
	}
	return cells, nil
}
