// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
)

// ascii is a value as JSON in ASCII alone: what a terminal would not show as it is
// stands as \uXXXX (RFC 8259, section 7). Outside of its strings JSON has no other
// characters.
func ascii(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("write patch: %w", err)
	}
	if strings.Contains(string(text), `\ufffd`) { // what json.Marshal writes for bytes that are no text
		return "", errors.New("write patch: a value in it is no text")
	}
	var b strings.Builder
	for _, r := range string(text) {
		switch {
		case r < 0x7f:
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.String(), nil
}
