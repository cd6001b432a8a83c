// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"strconv"
	"strings"
)

// origin is what told which command printed an output.
type origin int

const (
	fromShape origin = iota // its content alone
	fromName                // the file's name: ip_-d_addr.txt
	fromPrompt
	fromMarker
)

// output is the output of one command.
type output struct {
	command command
	source  origin
	host    string // whose, where a prompt or marker says so
	line    int    // the number of the first of lines
	lines   []string
	cut     bool // something was left out
	closed  bool // its end is told
	status  int  // with which the command ended, where closed
	said    string
	refused bool // nobody listens where it asked
	root    bool // a prompt shows it
	facts   facts
	faults  faults
}

// faults counts the lines that were not understood.
type faults struct {
	count int
	first int
	text  string
}

func (f *faults) add(line int, text string) {
	if f.count++; f.first == 0 {
		f.first, f.text = line, shorten(text)
	}
}

func shorten(text string) string {
	const most = 60
	text = strings.Join(strings.Fields(text[:min(len(text), 4*most)]), " ")
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// say keeps a few lines of a complaint.
func (b *output) say(text string) {
	const most = 3
	b.refused = b.refused || strings.HasSuffix(text, "Connection refused")
	if b.said == "" {
		b.said = shorten(text)
	} else if strings.Count(b.said, "; ") < most {
		b.said += "; " + shorten(text)
	}
}

func (b *output) unknown(i int) { b.faults.add(b.line+i, b.lines[i]) }

func (b *output) empty() bool {
	for _, l := range b.lines {
		if strings.TrimSpace(l) != "" {
			return false
		}
	}
	return true
}

// splitter cuts a text into outputs.
type splitter struct {
	piece *captureFile
	open  *output // nil: between outputs
	other bool    // in the output of a command that is none of ours
	host  string  // whose output comes, as far as the text has said
}

func split(name string, text []byte) *captureFile {
	s := &splitter{piece: &captureFile{name: name}}
	if c, ok := commandOfFile(name); ok {
		s.begin(c, fromName, 1)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	n := 0
	for len(text) > 0 {
		n++
		raw, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		line := string(bytes.TrimRight(raw, " \t\r"))
		if len(line) > maxLine && line[0] != '{' && line[0] != '[' {
			s.tooLong(n, line)
			continue
		}
		s.take(n, line, rest)
	}
	return s.piece
}

func (s *splitter) tooLong(n int, line string) {
	if s.open != nil {
		s.open.cut = true
		s.open.lines = append(s.open.lines, "")
	}
	s.piece.loose.add(n, line[:200])
}

func (s *splitter) begin(c command, source origin, line int) {
	s.open = &output{command: c, source: source, host: s.host, line: line}
	s.other = false
	s.piece.outputs = append(s.piece.outputs, s.open)
}

func (s *splitter) take(n int, line string, rest []byte) {
	if m, ok := strings.CutPrefix(line, marker); ok {
		s.marked(n, m)
		return
	}
	if s.open != nil && s.open.source == fromMarker {
		s.append(line)
		return
	}
	switch {
	case strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~"):
		s.open, s.other = nil, false
	case isCut(line):
		s.piece.cuts++
		if s.open != nil {
			s.open.cut = true
			s.append("")
		}
	case s.prompted(n, line):
	case s.other:
		s.piece.foreign.add(n, line)
	default:
		s.plain(n, line, rest)
	}
}

func (s *splitter) append(line string) {
	s.open.lines = append(s.open.lines, line)
}

// plain takes a line that is neither marker nor prompt: its form may say that
// another command's output begins.
func (s *splitter) plain(n int, line string, rest []byte) {
	if line == "" {
		if s.open != nil {
			s.append("")
		}
		return
	}
	if isObject(line) && !s.inConfig(line) {
		s.piece.objects = true
	}
	kind := shape(line, rest)
	if kind != "" && (s.open == nil || !s.open.command.takes(kind)) {
		s.begin(command{kind: kind}, fromShape, n)
	}
	if s.open == nil {
		s.piece.loose.add(n, line)
		return
	}
	s.append(line)
}

// isCut reports whether a line stands where others were left out.
func isCut(line string) bool {
	t := strings.Trim(strings.TrimSpace(line), "[](){}<>-_ #")
	switch strings.ToLower(t) {
	case "snip", "snipped", "truncated", "omitted", "cut", "output omitted", "output truncated":
		return true
	}
	t = strings.ReplaceAll(t, "…", "...")
	return len(t) >= 2 && strings.Trim(t, ". ") == ""
}

// inConfig reports whether a line belongs to a kubeconfig that somebody showed: it is
// written as objects are (client-go tools/clientcmd/api/v1/types.go).
func (s *splitter) inConfig(line string) bool {
	return s.open != nil && s.open.command.kind == ofTold && s.open.source == fromPrompt && (line == "apiVersion: v1" || line == "kind: Config")
}

// isObject reports whether a line belongs to a dump of Kubernetes' objects.
func isObject(line string) bool {
	line = strings.TrimPrefix(line, "- ")
	for _, key := range []string{"apiVersion:", `"apiVersion":`, `{"apiVersion":`, "kind:"} {
		if strings.HasPrefix(strings.TrimSpace(line), key) {
			return true
		}
	}
	return false
}

// prompted takes a line that has a prompt.
func (s *splitter) prompted(n int, line string) bool {
	host, words, sure := prompt(line)
	if words == "" && !sure {
		return false
	}
	if host != "" {
		s.host = host
	}
	c, ours := classify(words)
	switch {
	case ours:
		s.begin(c, fromPrompt, n+1)
		s.open.root = strings.Contains(line[:len(line)-len(words)], "#") || strings.HasPrefix(words, "sudo ")
	case !sure && !isProgram(words): // "# Node 1"
		return false
	default:
		s.open, s.other = nil, words != ""
	}
	return true
}

// prompt reads "[root@cdev02 ~]# ip a", "root@cdev02:~$ ip a", "# ip a" and
// "$ ip a". Sure tells that it can be nothing else: "# " may begin a comment.
func prompt(line string) (host, words string, sure bool) {
	line = strings.TrimSpace(line)
	switch {
	case line == "$" || line == "#":
		return "", "", line == "$"
	case strings.HasPrefix(line, "$ "):
		return "", strings.TrimSpace(line[2:]), true
	case strings.HasPrefix(line, "# "), strings.HasPrefix(line, "+ "):
		return "", strings.TrimSpace(line[2:]), false
	}
	head := line[:min(len(line), 120)]
	user, after, ok := strings.Cut(head, "@")
	user = strings.TrimPrefix(user, "[")
	if at := strings.LastIndexByte(user, ' '); at >= 0 && strings.HasPrefix(user, "(") { // (venv) root@
		user = user[at+1:]
	}
	if !ok || !isWord(user) {
		return "", "", false
	}
	end := strings.IndexAny(after, ": ]#$")
	if end <= 0 || !isWord(after[:end]) {
		return "", "", false
	}
	place := after[end:]
	sign := strings.IndexAny(place, "#$")
	if sign < 0 || sign+1 < len(place) && place[sign+1] != ' ' {
		return "", "", false
	}
	// Between host and sign stands a folder: no sentence.
	if strings.Count(place[:sign], " ") > 1 {
		return "", "", false
	}
	return hostName(after[:end]), strings.TrimSpace(line[len(line[:strings.Index(line, "@")])+1+end+sign+1:]), true
}

// isWord reports whether a text may be a user's or a host's name.
func isWord(text string) bool {
	for _, r := range text {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_' {
			return false
		}
	}
	return text != ""
}

// marked takes a line of our own script.
func (s *splitter) marked(n int, text string) {
	verb, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch verb {
	case "run":
		c, ok := classify(rest)
		if !ok {
			s.open, s.other = nil, true
			return
		}
		s.begin(c, fromMarker, n+1)
	case "said":
		if s.open != nil {
			s.open.say(rest)
		}
	case "exit":
		s.exit(rest)
	case "host":
		s.host = hostName(rest)
	case "none", "missing":
		section, why, _ := strings.Cut(rest, " ")
		s.begin(command{kind: verb, section: section}, fromMarker, n+1)
		s.open.said = shorten(why)
		s.open = nil
	case "capture", "end":
		s.open, s.other = nil, false
	default:
		s.piece.loose.add(n, marker+text)
	}
}

func (s *splitter) exit(text string) {
	if s.open != nil {
		status, err := strconv.Atoi(text)
		s.open.closed = err == nil
		s.open.status = status
	}
	s.open, s.other = nil, false
}
