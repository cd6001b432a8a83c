// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"whohas/dataplane"
)

// Hosts are few beside Pods, and deep: they are written as the JSON of their
// type, by its tags.

var errHostName = errors.New("host without a name")

func appendHost(b []byte, h *dataplane.Host) ([]byte, error) {
	if h.Name == "" {
		return nil, errHostName
	}
	r := openRecord(b, "host")
	r.text(h.Name)
	text, err := hostText(h)
	if err != nil {
		return nil, err
	}
	r.b = append(r.comma(), text...)
	r.keep()
	return r.close(), nil
}

func hostText(h *dataplane.Host) ([]byte, error) {
	var text bytes.Buffer
	to := json.NewEncoder(&text)
	to.SetEscapeHTML(false) // rules are full of <, > and &
	if err := to.Encode(h); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// host reads a host; strange tells that it has members that this version does
// not know.
func (f *fields) host() (h dataplane.Host, strange bool) {
	name := f.text()
	if !f.has() {
		f.fail(fmt.Errorf("host %q without what it held", name))
		return h, false
	}
	text := f.json()
	if f.err == nil && hostSize(text) > maxHost {
		f.fail(fmt.Errorf("host %q would take more than %d MiB of memory", name, maxHost>>20))
	}
	if f.err != nil {
		return h, false
	}
	h, strange, err := parseHost(text)
	switch {
	case err != nil:
		f.fail(fmt.Errorf("host %q: %w", name, err))
	case h.Name == "":
		f.fail(errHostName)
	case h.Name != name:
		f.fail(fmt.Errorf("host %q is called %q inside", name, h.Name))
	}
	return h, strange
}

// hostSize is about how much memory a host's JSON makes, at most: "{}" in a list is an
// entry with all its members.
func hostSize(text []byte) int64 {
	const entry, value = 256, 24
	return int64(len(text)) + entry*int64(bytes.Count(text, []byte("{"))) + value*int64(bytes.Count(text, []byte(",")))
}

func parseHost(text []byte) (h dataplane.Host, strange bool, err error) {
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if strict.Decode(&h) == nil {
		return h, false, checkHost(&h)
	}
	h = dataplane.Host{}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, false, err
	}
	return h, true, checkHost(&h)
}

// checkHost refuses what no kernel says and nobody could work with.
func checkHost(h *dataplane.Host) error {
	for _, a := range h.Addresses {
		if !a.Prefix.IsValid() {
			return fmt.Errorf("no address on %q", a.Link)
		}
	}
	for _, s := range h.Servers {
		if s.Mark == 0 && !s.IP.IsValid() {
			return errors.New("virtual server without an address")
		}
	}
	return nil
}

// json is any value as it stands.
func (c *cursor) json() []byte {
	c.next()
	begin := c.at
	c.skip()
	return c.text[begin:c.at]
}
