// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"strconv"

	"whohas/snapshot"
)

var (
	errTooDeep   = errors.New("nested deeper than " + strconv.Itoa(maxDepth))
	errTooMany   = errors.New("more than " + strconv.Itoa(maxValues) + " values")
	errMalformed = errors.New("map whose keys and values do not pair")
)

// marks is what a tree's JSON does not say: the lines of its values and the
// kinds of odd ones. Values are numbered in the order of the text.
type marks struct {
	lines []int32 // each value's line less that of the value before
	line  int32   // of the value before
	moved bool    // a line differs
	odd   []oddity
}

// oddity is a value that stands in the tree as a string and is none: a number
// that JSON would not take (0x1F), a boolean or null in YAML's many spellings.
type oddity struct {
	at   int
	kind snapshot.ValueKind
}

// oddNames are the kinds as a file calls them.
var oddNames = [...]string{snapshot.Absent: "absent", snapshot.Null: "null", snapshot.Bool: "bool", snapshot.Number: "number"}

// reset begins an object that stands at a line.
func (m *marks) reset(line int) {
	*m = marks{lines: m.lines[:0], line: int32(line), odd: m.odd[:0]}
}

// append writes the JSON of a tree and takes down what it does not say.
func (m *marks) append(b []byte, v *snapshot.Value, depth int) ([]byte, error) {
	if depth > maxDepth {
		return b, errTooDeep
	}
	at := len(m.lines)
	if at == maxValues {
		return b, errTooMany
	}
	m.lines = append(m.lines, v.Line-m.line)
	m.moved = m.moved || v.Line != m.line
	m.line = v.Line
	switch v.Kind {
	case snapshot.Map:
		return m.mapping(b, v, depth)
	case snapshot.List:
		return m.list(b, v, depth)
	case snapshot.String:
		return appendText(b, v.Text), nil
	case snapshot.Null, snapshot.Bool, snapshot.Number, snapshot.Absent:
		if plain(v) {
			return append(b, literal(v)...), nil
		}
		m.odd = append(m.odd, oddity{at, v.Kind})
		return appendText(b, v.Text), nil
	}
	return b, errOddKind
}

// plain reports whether JSON can say what a scalar is.
func plain(v *snapshot.Value) bool {
	switch v.Kind {
	case snapshot.Null:
		return v.Text == ""
	case snapshot.Bool:
		return v.Text == "true" || v.Text == "false"
	case snapshot.Number:
		return v.Text != "" && numberLength(v.Text) == len(v.Text)
	}
	return false
}

func literal(v *snapshot.Value) string {
	if v.Kind == snapshot.Null {
		return "null"
	}
	return v.Text
}

func (m *marks) mapping(b []byte, v *snapshot.Value, depth int) (_ []byte, err error) {
	if len(v.Keys()) != len(v.Items) {
		return b, errMalformed
	}
	b = append(b, '{')
	for i := range v.Items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, v.Keys()[i]), ':')
		if b, err = m.append(b, &v.Items[i], depth+1); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func (m *marks) list(b []byte, v *snapshot.Value, depth int) (_ []byte, err error) {
	b = append(b, '[')
	for i := range v.Items {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = m.append(b, &v.Items[i], depth+1); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func (m *marks) appendLines(b []byte) []byte {
	r := openRow(b)
	for _, n := range m.lines {
		r.number(int(n))
	}
	return r.close()
}

func (m *marks) appendOdd(b []byte) []byte {
	r := openRow(b)
	for _, o := range m.odd {
		r.number(o.at)
		r.text(oddNames[o.kind])
	}
	return r.close()
}

// numberLength is how long the JSON number is that a text begins with.
func numberLength[T string | []byte](s T) int {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	whole := digits(s, i)
	if whole == 0 || whole > 1 && s[i] == '0' {
		return 0
	}
	i += whole
	if i < len(s) && s[i] == '.' {
		n := digits(s, i+1)
		if n == 0 {
			return 0
		}
		i += 1 + n
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		from := i + 1
		if from < len(s) && (s[from] == '+' || s[from] == '-') {
			from++
		}
		n := digits(s, from)
		if n == 0 {
			return 0
		}
		i = from + n
	}
	return i
}

func digits[T string | []byte](s T, from int) int {
	n := 0
	for from+n < len(s) && s[from+n] >= '0' && s[from+n] <= '9' {
		n++
	}
	return n
}
