// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"

	"whohas/snapshot"

	"go.yaml.in/yaml/v3"
)

// isTemplate reports whether a text that does not parse is one that some tool
// (Helm, Jinja) would first fill in.
func isTemplate(text []byte) bool {
	return bytes.Contains(text, []byte("{{")) || bytes.Contains(text, []byte("{%"))
}

// broken covers an item that could not be read. That a template could not is no
// fault.
func (d *decoder) broken(i item, line int, detail string) {
	if !isTemplate(i.text) {
		d.bad(line, detail)
		return
	}
	d.result.Strangers++
	detail = "template, not rendered"
	if d.reading.Templates {
		d.result.Templates++
		detail = "helm " + detail
	}
	d.tell(snapshot.Coverage{Status: snapshot.StatusUnreadable, Line: i.line, Detail: detail})
}

// placeholder gives the text of a value {{ .Values.address }} that stands
// without quotes: YAML takes it for a map that is the key of a map.
func (t *yamlTree) placeholder(n *yaml.Node) (string, bool) {
	if n.Style&yaml.FlowStyle == 0 || len(n.Content) != 2 || n.Content[0].Kind != yaml.MappingNode {
		return "", false
	}
	line := t.lineText(n.Line)
	from := bytes.Index(line, []byte("{{"))
	if from < 0 {
		return "", false
	}
	to := bytes.Index(line[from:], []byte("}}"))
	if to < 0 {
		return "", false
	}
	return string(line[from : from+to+2]), true
}

// lineText is one line of the text, without its end.
func (t *yamlTree) lineText(n int) []byte {
	if t.starts == nil {
		t.starts = append(t.starts, 0)
		for i, c := range t.text {
			if c == '\n' {
				t.starts = append(t.starts, i+1)
			}
		}
		t.starts = append(t.starts, len(t.text))
	}
	if n < 1 || n >= len(t.starts) {
		return nil
	}
	return bytes.TrimRight(t.text[t.starts[n-1]:t.starts[n]], "\r\n")
}
