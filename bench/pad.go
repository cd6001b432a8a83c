// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// padding is how many bytes pad adds to each object, or little more.
const padding = 10_000

// Lines of a list in kubectl's layout: they stand so once in each object.
const (
	metadataLine    = `            "metadata": {` + "\n"
	annotationsLine = `                "annotations": {` + "\n"
)

// pad copies a list and gives each object an annotation of 10 KB: an object
// within a string, as tools like to leave there, each time another.
func pad(w io.Writer, r io.Reader) error {
	in, out := bufio.NewReaderSize(r, 1<<20), bufio.NewWriterSize(w, 1<<20)
	before := ""
	for n := 0; ; {
		line, end := in.ReadString('\n')
		text := line
		if before == metadataLine {
			text = annotated(n, line)
			n++
		}
		if _, err := out.WriteString(text); err != nil {
			return err
		}
		if end != nil {
			return errors.Join(notEOF(end), out.Flush())
		}
		before = line
	}
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// annotated puts the annotation before the first line of some metadata: in
// front of the others, or as the only one.
func annotated(n int, line string) string {
	var b strings.Builder
	fmt.Fprint(&b, annotationsLine, `                    "example.com/build": "`)
	for i := 0; b.Len() < padding; i++ {
		fmt.Fprintf(&b, `{\"step\":%d,\"log\":\"%08x %s\"},`, i, n*131+i, "layer cached, nothing to be done, next one please")
	}
	if line == annotationsLine {
		fmt.Fprint(&b, "\",\n")
	} else {
		fmt.Fprint(&b, "\"\n                },\n", line)
	}
	return b.String()
}
