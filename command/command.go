// SPDX-License-Identifier: Apache-2.0

// Package command makes the command lines that people paste into a root shell. It
// is the only maker of them: names, devices and values come from anybody's manifest
// or capture, and each reaches a shell only as one quoted word that no program takes
// for a flag. What cannot be such a word gets no command, and the reason.
package command

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is a command line for a POSIX shell (IEEE Std 1003.1, Shell Command
// Language, 2.2 Quoting), or the reason why there is none. The zero value is
// neither. Lines are values and may be compared.
type Line struct{ text, refused string }

// String is the line as it is pasted; empty if there is none.
func (l Line) String() string { return l.text }

// Refused is why there is no line, where there should be one.
func (l Line) Refused() string { return l.refused }

// IsZero reports whether l is neither a line nor a reason.
func (l Line) IsZero() bool { return l == Line{} }

// Equal reports whether two lines are the same.
func (l Line) Equal(o Line) bool { return l == o }

// template is shell text of the program's own. The type is not exported, so that
// only a constant can be passed for it: text that was read cannot become one.
type template string

// Shell fills a template: each {} becomes the next word, quoted where it must be. A
// {} stands outside of quotes. If one word is none that a command may have, there is
// no line: it is empty, begins with a hyphen, or holds what a terminal does not show
// as it is.
func Shell(t template, words ...string) Line {
	parts := strings.Split(string(t), "{}")
	if len(parts) != len(words)+1 {
		return refuse("the command %q wants %d words and got %d", string(t), len(parts)-1, len(words))
	}
	var b strings.Builder
	for i, word := range words {
		if why := fault(word); why != "" {
			return refuse("%s", why)
		}
		b.WriteString(parts[i])
		b.WriteString(Quote(word))
	}
	b.WriteString(parts[len(words)])
	return Line{text: b.String()}
}

func refuse(format string, args ...any) Line { return Line{refused: fmt.Sprintf(format, args...)} }

// fault says why a word cannot stand in a command.
func fault(word string) string {
	switch {
	case word == "":
		return "it would have an empty word in it"
	case word[0] == '-':
		return fmt.Sprintf("a program would take %s for a flag", Show(word))
	case !shown(word):
		return fmt.Sprintf("%s holds characters that are not copied as they are", Show(word))
	}
	return ""
}

// shown reports whether a terminal shows a word as it is, so that what is copied from
// there is the word.
func shown(word string) bool {
	return utf8.ValidString(word) && !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsPrint(r) })
}

// plain are the characters that no shell does anything with, wherever they stand.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:,+@"

// Quote is a word as a shell takes it. It is the same word whatever it holds but a
// NUL; whether a program takes it for a flag is the caller's care.
func Quote(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// longest is how much of a name a sentence shows.
const longest = 63

// Show is a name as a sentence shows it: quoted, shortened, without what a terminal
// obeys.
func Show(name string) string {
	if len(name) > longest {
		name = strings.ToValidUTF8(name[:longest], "") + "..."
	}
	return fmt.Sprintf("%+q", name)
}
