// SPDX-License-Identifier: Apache-2.0

package command

import "regexp"

// Program is what our texts call the program. Who installed it under another name has
// no program of this one: see As.
const Program = "whohas"

// ours is a command of the program in a text: its name and one of its words.
var ours = regexp.MustCompile(`(^|[^-/.\w])whohas ((?:check|completion|diagnose|guard policy|repair|rules|shield|snapshot|version|who|ADDR)\b|--[a-z]|[0-9]|[a-z]+/[a-z])`)

// As writes a text for those who call the program by another name, as "kubectl whohas":
// the commands in it are then theirs, and can be copied.
func As(program, text string) string {
	if program == "" || program == Program {
		return text
	}
	return ours.ReplaceAllString(text, "${1}"+program+" ${2}")
}
