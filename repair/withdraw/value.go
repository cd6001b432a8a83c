// SPDX-License-Identifier: Apache-2.0

package withdraw

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// errMoved is a test that fails: another value stands there.
var errMoved = errors.New("another value stands there")

// op is one operation of a JSON patch (RFC 6902). A value of null is one, and in a
// test it is a field that is not there (gopkg.in/evanphx/json-patch.v4 patch.go,
// Patch.test, which apiservers use).
type op struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

// decode reads an object. Numbers stay as they are written, so that a test finds
// them equal.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// encoded is a value as encoding/json writes it, HTML's signs escaped: as an
// apiserver writes its own, which compares strings by these bytes.
func encoded(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil { // strings, and what was decoded, always encode
		return json.RawMessage("null")
	}
	return text
}

func same(a, b any) bool { return reflect.DeepEqual(a, b) }

// plain is a value of an edit as a decoded one.
func plain(v any) any {
	out, err := decode(encoded(v))
	if err != nil {
		return nil
	}
	return out
}

// keysOf are the keys of a JSON pointer (RFC 6901).
func keysOf(pointer string) []string {
	if pointer == "" {
		return nil
	}
	keys := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, k := range keys {
		keys[i] = strings.ReplaceAll(strings.ReplaceAll(k, "~1", "/"), "~0", "~")
	}
	return keys
}

func pointerOf(keys []string) string {
	var b strings.Builder
	for _, k := range keys {
		b.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(k, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// dotted is a pointer as people write it: spec.externalIPs[0].
func dotted(pointer string) string {
	var b strings.Builder
	for i, k := range keysOf(pointer) {
		switch {
		case isIndex(k):
			b.WriteString("[" + k + "]")
		case strings.ContainsAny(k, "./"):
			b.WriteString(`["` + k + `"]`)
		case i > 0:
			b.WriteString("." + k)
		default:
			b.WriteString(k)
		}
	}
	return b.String()
}

// lookup finds the value that the keys lead to.
func lookup(v any, keys []string) (any, bool) {
	for _, k := range keys {
		switch x := v.(type) {
		case map[string]any:
			child, ok := x[k]
			if !ok {
				return nil, false
			}
			v = child
		case []any:
			n, ok := position(k, len(x))
			if !ok {
				return nil, false
			}
			v = x[n]
		default:
			return nil, false
		}
	}
	return v, true
}

// position is the place of a list's item. RFC 6901 has no leading zeros.
func position(key string, length int) (int, bool) {
	n, err := strconv.Atoi(key)
	return n, err == nil && n >= 0 && n < length && strconv.Itoa(n) == key
}

// apply gives v after one operation; v itself stays as it is.
func apply(v any, o op) (any, error) {
	keys := keysOf(o.Path)
	if len(keys) == 0 {
		return v, fmt.Errorf("%s of the whole object", o.Op)
	}
	var value any
	if o.Value != nil {
		var err error
		if value, err = decode(o.Value); err != nil {
			return v, err
		}
	}
	return applyAt(v, keys, o.Op, value)
}

func applyAt(v any, keys []string, verb string, value any) (any, error) {
	switch x := v.(type) {
	case map[string]any:
		return applyMap(x, keys, verb, value)
	case []any:
		return applyList(x, keys, verb, value)
	}
	return v, errMoved
}

func applyMap(x map[string]any, keys []string, verb string, value any) (any, error) {
	child, ok := x[keys[0]]
	x = maps.Clone(x)
	var err error
	switch {
	case len(keys) > 1:
		child, err = applyAt(child, keys[1:], verb, value)
		x[keys[0]] = child
	case verb == "add", verb == "replace" && ok:
		x[keys[0]] = value
	case verb == "remove" && ok:
		delete(x, keys[0])
	case verb == "test" && same(child, value):
	default:
		err = errMoved
	}
	return x, err
}

func applyList(x []any, keys []string, verb string, value any) (any, error) {
	room := len(x)
	if len(keys) == 1 && verb == "add" {
		room++
	}
	n, ok := position(keys[0], room)
	if !ok {
		return x, errMoved
	}
	x = slices.Clone(x)
	var err error
	switch {
	case len(keys) > 1:
		x[n], err = applyAt(x[n], keys[1:], verb, value)
	case verb == "add":
		x = slices.Insert(x, n, value)
	case verb == "replace":
		x[n] = value
	case verb == "remove":
		x = slices.Delete(x, n, n+1)
	case verb == "test" && same(x[n], value):
	default:
		err = errMoved
	}
	return x, err
}
