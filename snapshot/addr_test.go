// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"testing"

	"whohas/snapshot"
)

func TestParseAddr(t *testing.T) {
	for _, tt := range []struct {
		text, want string
		canonical  bool
	}{
		{"192.168.10.114", "192.168.10.114", true},
		{"0.0.0.0", "0.0.0.0", true},
		{"255.255.255.255", "255.255.255.255", true},
		{"2001:db8::1", "2001:db8::1", true},
		{"::", "::", true},
		// Leading zeros are decimal: not octal 8.
		{"192.168.010.114", "192.168.10.114", false},
		{"010.000.0000.09", "10.0.0.9", false},
		{"00000000192.168.10.114", "192.168.10.114", false},
		{"2001:0db8::0001", "2001:db8::1", false},
		{"2001:00db8::00001", "2001:db8::1", false},
		{"0000:00000::", "::", false},
		// The same address in other clothes.
		{"::ffff:192.0.2.1", "192.0.2.1", false},
		{"::FFFF:c000:0201", "192.0.2.1", false},
		{"::ffff:192.0.002.010", "192.0.2.10", false},
		{"0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1", false},
		{"::192.0.2.1", "::c000:201", false},
		{"64:ff9b::192.0.2.1", "64:ff9b::c000:201", false},
		{"2001:DB8::A", "2001:db8::a", false},
		{"2001:db8:0:0:0:0:0:1", "2001:db8::1", false},
		{"fe80::1%eth0", "fe80::1", false},
		{"fe80::1%eth0.100", "fe80::1", false},
		{"::ffff:192.0.2.1%eth0", "192.0.2.1", false},
		{" 192.0.2.1", "192.0.2.1", false},
		{"192.0.2.1\n", "192.0.2.1", false},
	} {
		ip, canonical, err := snapshot.ParseAddr(tt.text)
		if err != nil || ip.String() != tt.want || canonical != tt.canonical {
			t.Errorf("ParseAddr(%q) = %v, %v, %v; want %v, %v", tt.text, ip, canonical, err, tt.want, tt.canonical)
		}
	}
}

func TestParseAddrErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                  `not an ip address: ""`,
		" ":                 `not an ip address: " "`,
		"db.example":        `not an ip address: "db.example"`,
		"192.0.2":           `not an ip address: "192.0.2"`,
		"192.0.2.":          `not an ip address: "192.0.2."`,
		"192.0..1":          `not an ip address: "192.0..1"`,
		"192.0.2.1.0":       `not an ip address: "192.0.2.1.0"`,
		"192.0.2.256":       `not an ip address: "192.0.2.256"`,
		"192.0.2.0256":      `not an ip address: "192.0.2.0256"`,
		"192.0.2.0x1":       `not an ip address: "192.0.2.0x1"`,
		"192.0.2.-1":        `not an ip address: "192.0.2.-1"`,
		"192.0.2.1%eth0":    `not an ip address: "192.0.2.1%eth0"`,
		"192.0.2.1/32":      `not an ip address: "192.0.2.1/32"`,
		"192.0.2.1:80":      `not an ip address: "192.0.2.1:80"`,
		"[2001:db8::1]":     `not an ip address: "[2001:db8::1]"`,
		"2001:db8::1::":     `not an ip address: "2001:db8::1::"`,
		"2001:db8::12345":   `not an ip address: "2001:db8::12345"`,
		"1:2:3:4:5:6:7":     `not an ip address: "1:2:3:4:5:6:7"`,
		"1:2:3:4:5:6:7:8:9": `not an ip address: "1:2:3:4:5:6:7:8:9"`,
		"fe80::1%":          `not an ip address: "fe80::1%"`,
		"3221225985":        `not an ip address: "3221225985"`,
		"192.0.2.1,":        `not an ip address: "192.0.2.1,"`,
	} {
		ip, canonical, err := snapshot.ParseAddr(text)
		if err == nil || err.Error() != want || ip.IsValid() || canonical {
			t.Errorf("ParseAddr(%q) = %v, %v, error %v; want error %s", text, ip, canonical, err, want)
		}
	}
}

func FuzzParseAddr(f *testing.F) {
	for _, s := range []string{
		"", "192.168.010.114", "::ffff:010.1.2.3", "fe80::1%eth0", "2001:DB8::00001", " 192.0.2.1 ", "1.2.3.4.5", "::ffff:1.2.3.4%0",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ip, canonical, err := snapshot.ParseAddr(text)
		if err != nil {
			if ip.IsValid() || canonical {
				t.Fatalf("%q: %v, %v with error %v", text, ip, canonical, err)
			}
			return
		}
		if !ip.IsValid() || ip.Is4In6() || ip.Zone() != "" || canonical != (ip.String() == text) {
			t.Fatalf("%q: %v, canonical %v", text, ip, canonical)
		}
		if again, canonical, err := snapshot.ParseAddr(ip.String()); again != ip || !canonical || err != nil {
			t.Fatalf("%q: %v is read back as %v, %v, %v", text, ip, again, canonical, err)
		}
	})
}

func TestUnresolved(t *testing.T) {
	for text, want := range map[string]bool{
		"{{ .Values.ip }}": true, "${IP}": true, "$(IP)": true, "{% if x %}": true, "$IP": true, "<node-ip>": true, "%IP%": true,
		"__IP__": true, "": false, "192.0.2.1": false, "fe80::1%eth0": false, "db.example": false,
	} {
		if snapshot.Unresolved(text) != want {
			t.Errorf("Unresolved(%q) = %v", text, !want)
		}
	}
}
