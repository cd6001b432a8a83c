// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"whohas/command"
)

func TestShell(t *testing.T) {
	for _, c := range []struct {
		line          command.Line
		text, refused string
	}{
		{line: command.Shell("kubectl get nodes"), text: "kubectl get nodes"},
		{line: command.Shell("ip addr del {} dev {}", "192.0.2.1/32", "kube-ipvs0"), text: "ip addr del 192.0.2.1/32 dev kube-ipvs0"},
		{line: command.Shell("ip addr del {} dev {}", "2001:db8::1/128", "$(id)"), text: "ip addr del 2001:db8::1/128 dev '$(id)'"},
		{line: command.Shell("a --b={} c", "x y"), text: "a --b='x y' c"},
		{line: command.Shell("a {}", "it's"), text: `a 'it'\''s'`},
		{line: command.Shell("a {}", "~"), text: `a '~'`},
		{line: command.Shell("a {}", "-n"), refused: `a program would take "-n" for a flag`},
		{line: command.Shell("a {}", ""), refused: "it would have an empty word in it"},
		{line: command.Shell("a {}", "b\nc"), refused: `"b\nc" holds characters that are not copied as they are`},
		{line: command.Shell("a {}", "b\u202ec"), refused: `"b\u202ec" holds characters that are not copied as they are`},
		{line: command.Shell("a {}", "b\x9bc"), refused: `"b\x9bc" holds characters that are not copied as they are`},
	} {
		if c.line.String() != c.text || c.line.Refused() != c.refused {
			t.Errorf("got %q, refused %q; want %q, %q", c.line, c.line.Refused(), c.text, c.refused)
		}
	}
}

func TestObject(t *testing.T) {
	object := func(namespace, name string) command.Object {
		return command.Object{Resource: "service", Namespace: namespace, Name: name}
	}
	for _, c := range []struct {
		line          command.Line
		text, refused string
	}{
		{line: object("demo", "tomcat").Delete(), text: "kubectl -n demo delete service tomcat"},
		{line: object("", "cdev01").Delete(), text: "kubectl delete service cdev01"},
		{line: object("demo", "a").Patch("", []string{"x'y"}), text: `kubectl -n demo patch service a --type=json -p '["x'\''y"]'`},
		{line: object("demo", "a").Patch("status", []string{"ü", "\U0001f600", "\u202e"}), text: `kubectl -n demo patch service a --subresource=status --type=json -p '["\u00fc","\ud83d\ude00","\u202e"]'`},
		{line: object("", "a").Patch("", []string{"\xff"}), refused: "write patch: a value in it is no text"},
		{line: object("x; touch y; #", "a").Delete(), refused: `an apiserver accepts no namespace "x; touch y; #"`},
		{line: object("demo", "--kubeconfig=kc.yaml").Delete(), refused: `an apiserver accepts no service "--kubeconfig=kc.yaml"`},
		{line: object("-x", "a").Delete(), refused: `an apiserver accepts no namespace "-x"`},
		{line: object("a.b", "a").Delete(), refused: `an apiserver accepts no namespace "a.b"`},
		{line: object("a", "").Delete(), refused: `an apiserver accepts no service ""`},
		{line: object("a", "b..c").Delete(), refused: `an apiserver accepts no service "b..c"`},
		{line: object("a", "B").Delete(), refused: `an apiserver accepts no service "B"`},
		{line: object("a", "b.c-d.e").Delete(), text: "kubectl -n a delete service b.c-d.e"},
		{line: object(strings.Repeat("a", 64), "b").Delete(), refused: `an apiserver accepts no namespace "` + strings.Repeat("a", 63) + `..."`},
	} {
		if c.line.String() != c.text || c.line.Refused() != c.refused {
			t.Errorf("got %q, refused %q; want %q, %q", c.line, c.line.Refused(), c.text, c.refused)
		}
	}
}

func TestDevice(t *testing.T) {
	prefix := netip.MustParsePrefix("192.0.2.1/32")
	for device, refused := range map[string]bool{
		"eth0": false, "kube-ipvs0": false, "$(id)": false, "a;b": false, "a'b": false,
		"": true, "..": true, "a b": true, "a/b": true, "sixteen-letters-": true, "-a": true, "a\x1b": true,
	} {
		for _, line := range []command.Line{command.DeleteAddress(prefix, device), command.KeepOff(prefix.Addr(), device)} {
			if (line.Refused() != "") != refused || (line.String() == "") != refused {
				t.Errorf("device %q: line %q, refused %q", device, line, line.Refused())
			}
		}
	}
	if got := command.DeleteLocalRoute(prefix, "", 255).String(); got != "ip route del local 192.0.2.1/32 table 255" {
		t.Errorf("without a device: %q", got)
	}
}

// TestWords: a real shell gives a program the very words, whatever they hold.
func TestWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune("a'\"\\$`;|&<>(){}[]*?!#~=% \t-é"))), 2, 2).Draw(t, "words")
		line := command.Shell(`printf '<%s>' {} {}`, words...)
		if line.Refused() != "" {
			return
		}
		out, err := exec.Command("sh", "-c", line.String()).CombinedOutput()
		if want := "<" + strings.Join(words, "><") + ">"; err != nil || string(out) != want {
			t.Fatalf("%s: %s, %v; want %s", line, out, err, want)
		}
	})
}

// TestPieces: joined they are the line, and nothing in quotes is broken.
func TestPieces(t *testing.T) {
	for _, test := range []struct{ word, want string }{
		{"a", "echo a &&|echo b"},
		{"a && b", "echo 'a && b' &&|echo b"},
		{"it's && so", `echo 'it'\''s && so' &&|echo b`},
	} {
		line := command.Chain(command.Shell("echo {}", test.word), command.Shell("echo b"))
		if got := strings.Join(line.Pieces(), "|"); got != test.want {
			t.Errorf("%q: %s, want %s", test.word, got, test.want)
		}
		if got := strings.Join(line.Pieces(), " "); got != line.String() {
			t.Errorf("%s is broken into %s", line, got)
		}
	}
}
