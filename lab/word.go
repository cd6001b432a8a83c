// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The words of scenarios, and what each may look like.

var errIPv4 = errors.New("no IPv4 address: the lab has no IPv6")

func address(word string) (netip.Addr, error) {
	a, err := netip.ParseAddr(word)
	if err != nil || !a.Is4() {
		return netip.Addr{}, errIPv4
	}
	return a, nil
}

func prefix(word string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(word)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, errors.New("no IPv4 prefix, such as 10.0.0.0/24")
	}
	return p, nil
}

// ofName is what names look like: they become names of files. Those of hosts and
// Pods are host names, too, and names in Kubernetes (RFC 1123).
var (
	ofName  = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	ofPlace = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

func name(word string) error {
	if !ofName.MatchString(word) {
		return errors.New("no name of a-z, 0-9, dot, - and _")
	}
	return nil
}

// nameLimit is how long the names of hosts, Pods and segments may be: those of
// network devices are made of them, and have at most 15 bytes (linux IFNAMSIZ).
const nameLimit = 11

func place(word string) error {
	if !ofPlace.MatchString(word) {
		return errors.New("no name of a-z, 0-9 and -")
	}
	if len(word) > nameLimit {
		return fmt.Errorf("a name of more than %d bytes", nameLimit)
	}
	return nil
}

func port(word string) error {
	if n, err := strconv.ParseUint(word, 10, 16); err != nil || n == 0 {
		return errors.New("no port")
	}
	return nil
}

func number(word string) error {
	if n, err := strconv.ParseUint(word, 10, 16); err != nil || n == 0 {
		return errors.New("no number from 1 to 65535")
	}
	return nil
}

// duration is a time that passes.
func duration(word string) (time.Duration, error) {
	d, err := time.ParseDuration(word)
	if err != nil || d <= 0 {
		return 0, errors.New("no time, such as 30s")
	}
	return d, nil
}

// rest is what stands behind the first words of a line, as written.
func rest(text string, words int) string {
	text = strings.TrimSpace(text)
	for range words {
		i := strings.IndexFunc(text, unicode.IsSpace)
		if i < 0 {
			return ""
		}
		text = strings.TrimSpace(text[i:])
	}
	return text
}
