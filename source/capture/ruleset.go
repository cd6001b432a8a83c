// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// parseRulesetText reads the text of nft list ruleset into the objects that nft -j
// prints, and gives those to their reader (nftables v1.0.6 src/rule.c, src/json.c).
// Sets and maps are read whole. Of rules those are whose every word has a meaning
// here, which are most of kube-proxy's; every other is a line not understood.
func (b *output) parseRulesetText() {
	r := &rulesetReader{b: b}
	for i := 0; i < len(b.lines); i++ {
		text := strings.TrimSpace(b.lines[i])
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		begin := i
		if strings.HasPrefix(text, "elements = ") { // goes on until its brace
			var all strings.Builder
			all.WriteString(text)
			for open := depth(text); open > 0 && i+1 < len(b.lines); {
				i++
				next := strings.TrimSpace(b.lines[i])
				open += depth(next)
				all.WriteString(" " + next)
			}
			text = all.String()
		}
		if !r.line(text) {
			b.complain(begin)
		}
	}
	if r.table != "" {
		b.cut = true
	}
	r.give()
}

// depth counts the braces that are open, without those in quotes.
func depth(text string) int {
	n := 0
	quoted := false
	for _, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			n++
		case c == '}':
			n--
		}
	}
	return n
}

// closing is where the brace that a text begins with has been closed.
func closing(text string) int {
	open, quoted := 0, false
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			open++
		case c == '}':
			if open--; open == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

type rulesetReader struct {
	b       *output
	objects []object
	family  string
	table   string
	what    string // "chain", "set", "map", or what is passed over
	inner   object
	seen    bool
}

func (r *rulesetReader) give() {
	if !r.seen {
		return
	}
	raw, err := json.Marshal(object{"nftables": r.objects})
	if err == nil {
		r.b.ruleset(raw)
	}
}

func (r *rulesetReader) line(text string) bool {
	if at := strings.LastIndex(text, " # handle "); at > 0 {
		text = text[:at]
	}
	f := strings.Fields(text)
	switch {
	case r.table == "":
		return r.begin(f)
	case text == "}" && r.what != "":
		r.what = ""
		return true
	case text == "}":
		r.table = ""
		return true
	case r.what == "":
		return r.open(f)
	case r.what == "chain":
		return r.chain(text, f)
	case r.what == "set" || r.what == "map":
		return r.set(text, f)
	}
	return true // counters, flowtables, helpers
}

func (r *rulesetReader) begin(f []string) bool {
	if len(f) != 4 || f[0] != "table" || !isFamily(f[1]) || f[3] != "{" {
		return false
	}
	r.family, r.table, r.what, r.seen = f[1], f[2], "", true
	r.objects = append(r.objects, object{"table": object{"family": r.family, "name": r.table}})
	return true
}

// open reads "chain services {", "map service-ips {".
func (r *rulesetReader) open(f []string) bool {
	if f[0] == "comment" || f[0] == "flags" {
		return true
	}
	if f[len(f)-1] != "{" {
		return false
	}
	r.what = "passed over"
	if len(f) != 3 || !slices.Contains([]string{"chain", "set", "map"}, f[0]) {
		return slices.Contains([]string{"counter", "quota", "limit", "flowtable", "ct", "secmark", "synproxy"}, f[0])
	}
	r.what, r.inner = f[0], object{"family": r.family, "table": r.table, "name": f[1]}
	r.objects = append(r.objects, object{f[0]: r.inner})
	return true
}

func (r *rulesetReader) set(text string, f []string) bool {
	switch f[0] {
	case "type":
		key, value, mapped := strings.Cut(strings.TrimPrefix(text, "type "), " : ")
		r.inner["type"] = concat(key)
		if mapped {
			r.inner["map"] = concat(value)
		}
		return true
	case "elements":
		list, ok := elements(text)
		r.inner["elem"] = list
		return ok
	}
	return slices.Contains([]string{"comment", "flags", "timeout", "gc-interval", "size", "policy", "counter", "auto-merge"}, f[0])
}

// concat is one word, or a list of the words of a concatenation.
func concat(text string) any {
	words := strings.Split(text, " . ")
	if len(words) == 1 {
		return text
	}
	var out []any
	for _, w := range words {
		out = append(out, strings.TrimSpace(w))
	}
	return out
}

// elements reads "elements = { KEY : VALUE, KEY comment "..." : VALUE }".
func elements(text string) ([]any, bool) {
	_, text, ok := strings.Cut(text, "{")
	text, closed := strings.CutSuffix(strings.TrimSpace(text), "}")
	whole := ok && closed
	var out []any
	for _, part := range topLevel(text) {
		e, ok := element(part)
		if !ok {
			whole = false
			continue
		}
		out = append(out, e)
	}
	return out, whole
}

// topLevel cuts at commas that stand in no quotes and no braces.
func topLevel(text string) []string {
	var out []string
	begin, open, quoted := 0, 0, false
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			open++
		case c == '}':
			open--
		case c == ',' && open == 0:
			out = append(out, strings.TrimSpace(text[begin:i]))
			begin = i + 1
		}
	}
	if rest := strings.TrimSpace(text[begin:]); rest != "" {
		out = append(out, rest)
	}
	return out
}

// element is a key, with its comment and value as nft -j has them. What moves by
// itself (counters, the time that is left) is left out.
func element(text string) (any, bool) {
	tokens := tokens(text)
	at := slices.Index(tokens, ":")
	key, value := tokens, []string(nil)
	if at >= 0 {
		key, value = tokens[:at], tokens[at+1:]
	}
	about := object{}
	for i, t := range key {
		switch t {
		case "comment", "timeout", "expires", "counter":
			for j := i; j+1 < len(key); j += 2 {
				if key[j] == "comment" {
					about["comment"] = strings.Trim(key[j+1], `"`)
				} else if key[j] != "expires" {
					return nil, false // a form of its own
				}
			}
			key = key[:i]
		}
		if len(key) == i {
			break
		}
	}
	k, ok := values(key)
	if !ok {
		return nil, false
	}
	if len(about) > 0 {
		about["val"] = k
		k = object{"elem": about}
	}
	if at < 0 {
		return k, true
	}
	v, ok := verdict(value)
	if !ok {
		v, ok = values(value)
	}
	return []any{k, v}, ok
}

// tokens are the words of a text; what stands in quotes is one, and so is what
// stands in braces.
func tokens(text string) []string {
	var out []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		n := strings.IndexByte(text, ' ')
		switch {
		case text[0] == '"':
			n = strings.IndexByte(text[1:], '"') + 2
			if n < 2 {
				n = len(text)
			}
		case text[0] == '{':
			n = closing(text)
		case n < 0:
			n = len(text)
		}
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

// values reads "10.43.0.10 . tcp . 53".
func values(words []string) (any, bool) {
	if len(words) == 1 {
		return value(words[0])
	}
	var out []any
	for i, w := range words {
		if i%2 == 1 {
			if w != "." {
				return nil, false
			}
			continue
		}
		v, ok := value(w)
		if !ok {
			return nil, false
		}
		out = append(out, v)
	}
	return object{"concat": out}, len(words)%2 == 1
}

// value is a number, an address, a prefix, a range or a name.
func value(w string) (any, bool) {
	if n, err := strconv.ParseUint(w, 0, 32); err == nil && (w == "0" || w[0] != '0' || strings.HasPrefix(w, "0x")) {
		return n, true
	}
	if addr, length, ok := strings.Cut(w, "/"); ok {
		_, fine := addrOf(addr)
		n, err := strconv.Atoi(length)
		return object{"prefix": object{"addr": addr, "len": n}}, fine && err == nil
	}
	if first, last, ok := strings.Cut(w, "-"); ok {
		a, fine := value(first)
		b, good := value(last)
		_, is := addrOf(first)
		if fine && good && (is || isNumber(first)) {
			return object{"range": []any{a, b}}, true
		}
	}
	if _, ok := addrOf(w); ok {
		return w, true
	}
	return strings.Trim(w, `"`), isName(w)
}

// isName reports whether a word may be one of nft's names of values.
func isName(w string) bool {
	for _, r := range strings.Trim(w, `"`) {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.' {
			return false
		}
	}
	return w != "" && w != "." && (w[0] < '0' || w[0] > '9')
}

// verdict reads "goto X", "drop".
func verdict(words []string) (any, bool) {
	switch {
	case len(words) == 2 && (words[0] == "goto" || words[0] == "jump"):
		return object{words[0]: object{"target": words[1]}}, true
	case len(words) == 1 && slices.Contains([]string{"accept", "drop", "return", "continue"}, words[0]):
		return object{words[0]: nil}, true
	}
	return nil, false
}
