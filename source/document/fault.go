// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"sort"
	"strconv"

	"go.yaml.in/yaml/v3"
)

var yamlPlace = regexp.MustCompile(`^yaml: (line (\d+): )?`)

var yamlQuote = regexp.MustCompile(`(?s)(anchor ['"]).*(['"])`)

const longFault = 256 << 10

// yamlMessage is the parser's message without the line, which counts from the
// document's beginning and often means another place.
// What it quotes of the text may be anything.
func yamlMessage(err error) string {
	return yamlQuote.ReplaceAllString(yamlPlace.ReplaceAllString(err.Error(), ""), "${1}...${2}")
}

// yamlFault is how many lines stand before the one that a text cannot be parsed
// on. The parser reads on until it must fail, so the first lines alone fail in
// the same way just when that line is among them. That takes some passes; of a
// long text the parser's own word is good enough.
func yamlFault(text []byte, err error) int {
	message := yamlMessage(err)
	place := yamlPlace.FindStringSubmatch(err.Error())
	if place == nil {
		return 0
	}
	if len(text) > longFault {
		line, _ := strconv.Atoi(place[2])
		return min(max(line-1, 0), bytes.Count(text, newline))
	}
	var ends []int
	for at := 0; at < len(text); {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text) - at - 1
		}
		at += end + 1
		ends = append(ends, at)
	}
	return min(sort.Search(len(ends), func(i int) bool {
		return parseFault(text[:ends[i]]) == message
	}), max(len(ends)-1, 0))
}

func parseFault(text []byte) (message string) {
	defer func() {
		if recover() != nil {
			message = ""
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var n yaml.Node
		if err := dec.Decode(&n); err != nil {
			return yamlMessage(err)
		}
	}
}

// cancellable lets a parser of a long text end with ctx.
type cancellable struct {
	ctx context.Context
	in  io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.in.Read(p)
}
