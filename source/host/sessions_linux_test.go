// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// The answers are made up, in the forms of the releases' sources.
const (
	// Calico's fork of 1.6.8: a time of day, details without channels.
	bird16 = `0001 BIRD v0.3.3+birdv1.6.8 ready.
2002-name     proto    table    state  since       info
1002-static1  Static   master   up     21:08:10    
1006-  Preference:     200
 
1002-Mesh_192_168_10_114 BGP      master   start  21:08:12    Active        Socket: Connection refused
1006-  Description:    Connection to BGP peer
   Message:        of the protocol
   Preference:     100
   Input filter:   ACCEPT
   Routes:         0 imported, 0 exported, 0 preferred
   BGP state:          Active
     Neighbor address: 192.168.10.114
     Neighbor AS:      64512
     Connect delay:    3/5
     Last error:       Socket: Connection refused
 
1002-Mesh_192_168_10_116 BGP      master   up     21:08:20    Established   
1006-  Description:    Connection to BGP peer
   BGP state:          Established
     Neighbor address: 192.168.10.116
     Neighbor AS:      64512
     Neighbor ID:      192.168.10.116
     Hold timer:       151/240
 
0000 
`
	// 2.15: a date and a time of day, channels, capabilities.
	bird2 = `0001 BIRD 2.15.1 ready.
2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     2026-11-22 21:08:10  
1006-
1002-n2         BGP        ---        start  2026-11-22 21:08:10  Connect       
1006-  BGP state:          Connect
     Neighbor address: fe80::2%w0 onlink
     Neighbor AS:      64512
     Local AS:         64512
   Channel ipv4
     State:          DOWN
     Table:          master4
     Input filter:   ACCEPT
 
1002-n1         BGP        ---        down   2026-11-22 21:08:10  
1006-  Message:        Shutdown
   BGP state:          Down
     Neighbor range:   10.0.0.0/8
 
+spoken by itself
1002-n3         BGP        ---        up     2026-11-22 21:08:10  Established   
1006-  BGP state:          Established
     Neighbor address: ::ffff:192.168.10.116
     Last error:       Received: Hold timer expired
   Channel ipv4
     BGP Next hop:   192.168.10.115
 
0000 
`
)

var sameSessions = cmpopts.EquateComparable(netip.Addr{})

func TestParseProtocols(t *testing.T) {
	ip := netip.MustParseAddr
	for name, tt := range map[string]struct {
		text string
		want []dataplane.Session
		err  string
	}{
		"1.6": {bird16, []dataplane.Session{
			{Name: "Mesh_192_168_10_114", Peer: ip("192.168.10.114"), State: "Active", Error: "Socket: Connection refused"},
			{Name: "Mesh_192_168_10_116", Peer: ip("192.168.10.116"), State: "Established"},
		}, ""},
		"2.15": {bird2, []dataplane.Session{
			{Name: "n2", Peer: ip("fe80::2"), State: "Connect"},
			{Name: "n1", State: "Down", Error: "Shutdown"},
			{Name: "n3", Peer: ip("192.168.10.116"), State: "Established", Error: "Received: Hold timer expired"},
		}, ""},
		"no protocols": {"0001 BIRD ready.\n8003 No protocols match\n", nil, ""},
		"an error":     {"0001 BIRD ready.\n9001 syntax error\n", nil, "bird: syntax error"},
		"cut off": {"0001 BIRD ready.\n1002-n2 BGP --- start 21:08:10\n1006-  BGP state: Idle\n",
			[]dataplane.Session{{Name: "n2", State: "Idle"}}, "the answer was cut off"},
		"nothing":                   {"", nil, "the answer was cut off"},
		"details of no one":         {"1006-  BGP state: Idle\n0000 \n", nil, ""},
		"details of another":        {"1002-k1 Kernel master up 1\n1006-  BGP state: Idle\n0000 \n", nil, ""},
		"without details":           {"1002-n2 BGP --- start 21:08:10\n n3 BGP --- up 21:08:10\n0000 \n", []dataplane.Session{{Name: "n2", State: "start"}, {Name: "n3", State: "up"}}, ""},
		"what a terminal obeys":     {"1002-n2 BGP --- start 1\n1006-  Last error: a\x1b[2Jb\n0000 \n", []dataplane.Session{{Name: "n2", State: "start", Error: "a [2Jb"}}, ""},
		"a message is not the next": {"1002-n2 BGP --- start 1\n1006-  Message: m\n1002-n3 BGP --- start 1\n0000 \n", []dataplane.Session{{Name: "n2", State: "start", Error: "m"}, {Name: "n3", State: "start"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseProtocols(strings.NewReader(tt.text))
			if diff := cmp.Diff(tt.want, got, sameSessions); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if text := fmt.Sprint(err); tt.err == "" && err != nil || tt.err != "" && text != tt.err {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// speaker answers on a socket below a root as BIRD does.
func speaker(t *testing.T, root, name, reply string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			greeting, rest, _ := strings.Cut(reply, "\n")
			fmt.Fprintln(conn, greeting)
			if question, _ := bufio.NewReader(conn).ReadString('\n'); question == "show protocols all\n" {
				_, _ = io.WriteString(conn, rest)
			}
			conn.Close()
		}
	}()
}

func linked(t *testing.T, root, to, name string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, file); err != nil {
		t.Fatal(err)
	}
}

// shortRoot is a root folder with a path that leaves room for a socket's, which
// has 107 bytes (unix(7)).
func shortRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "r")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestReadSessions(t *testing.T) {
	const two = "0001 BIRD ready.\n1002-b BGP --- up 1\n1002-a BGP --- up 1\n0000 \n"
	bird := func(names ...string) (out []dataplane.Session) {
		for _, name := range names {
			speaker, name, _ := strings.Cut(name, " ")
			out = append(out, dataplane.Session{Speaker: speaker, Name: name, State: "up"})
		}
		return out
	}
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, root string)
		want    []dataplane.Session
		is      any // the sort of error
		says    string
	}{
		"no socket": {func(*testing.T, string) {}, nil, new(absent), "no BIRD runs here: it has no control socket"},
		"one":       {func(t *testing.T, root string) { speaker(t, root, "run/bird.ctl", two) }, bird("bird a", "bird b"), nil, ""},
		"one under two names": {func(t *testing.T, root string) {
			speaker(t, root, "run/calico/bird.ctl", two)
			linked(t, root, "../run", "var/run")
		}, bird("bird a", "bird b"), nil, ""},
		"of both families": {func(t *testing.T, root string) {
			speaker(t, root, "var/run/calico/bird.ctl", two)
			speaker(t, root, "var/run/calico/bird6.ctl", two)
		}, bird("bird a", "bird b", "bird6 a", "bird6 b"), nil, ""},
		"one that has ended": {func(t *testing.T, root string) { left(t, root, "run/bird.ctl") }, nil, new(absent), "connection refused"},
		"one that has ended beside one": {func(t *testing.T, root string) {
			left(t, root, "run/bird.ctl")
			speaker(t, root, "run/calico/bird.ctl", two)
		}, bird("bird a", "bird b"), nil, ""},
		"one that hangs up beside one": {func(t *testing.T, root string) {
			speaker(t, root, "run/bird.ctl", "0001 BIRD ready.\n")
			speaker(t, root, "run/calico/bird.ctl", two)
		}, bird("bird a", "bird b"), new(partial), "cut off"},
		"one that hangs up": {func(t *testing.T, root string) { speaker(t, root, "run/bird.ctl", "0001 BIRD ready.\n") }, nil, nil, "cut off"},
		"FRR":               {func(t *testing.T, root string) { left(t, root, "run/frr/bgpd.vty") }, nil, new(missing), "vtysh"},
		"FRR beside BIRD": {func(t *testing.T, root string) {
			left(t, root, "var/run/frr/bgpd.vty")
			speaker(t, root, "run/bird.ctl", two)
		}, bird("bird a", "bird b"), new(partial), "vtysh"},
		"another host's": {func(t *testing.T, root string) {
			other := shortRoot(t)
			speaker(t, other, "bird.ctl", two)
			linked(t, root, filepath.Join(other, "bird.ctl"), "run/bird.ctl")
		}, nil, new(absent), "no control socket"},
	} {
		t.Run(name, func(t *testing.T) {
			root := shortRoot(t)
			tt.prepare(t, root)
			got, err := readSessions(context.Background(), place{root, "/proc"})
			if diff := cmp.Diff(tt.want, got, sameSessions); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (err != nil) != (tt.says != "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
			if tt.is != nil && !errors.As(err, tt.is) {
				t.Errorf("error of sort %T", err)
			}
			if tt.is == nil && (errors.As(err, new(absent)) || errors.As(err, new(missing))) {
				t.Errorf("error of sort %T", err)
			}
		})
	}
}

// left makes a socket of which the listener has gone.
func left(t *testing.T, root, name string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: file, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// TestSilentSpeaker: one that accepts and says nothing ends with its time.
func TestSilentSpeaker(t *testing.T) {
	root := shortRoot(t)
	if err := os.Mkdir(filepath.Join(root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, "run/bird.ctl"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got, err := readSessions(context.Background(), place{root, "/proc"})
	if got != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestRealBIRD asks the distribution's own, which has a neighbour that refuses and
// one that nobody has.
func TestRealBIRD(t *testing.T) {
	const bird = "/usr/sbin/bird"
	if _, err := os.Stat(bird); err != nil {
		t.Skipf("NOT RUN: no BIRD is installed: %v", err)
	}
	if err := inOwnNamespace(func() error { return nil }); err != nil {
		t.Skipf("NOT RUN: a network namespace needs root: %v", err)
	}
	root := shortRoot(t)
	if err := os.Mkdir(filepath.Join(root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(root, "bird.conf")
	if err := os.WriteFile(config, []byte(`router id 127.0.0.1;
protocol device { scan time 2; }
template bgp mesh {
  local 127.0.0.1 as 64512; multihop; source address 127.0.0.1;
  connect delay time 1; connect retry time 1; error wait time 1,2;
  ipv4 { import all; export none; };
}
protocol bgp refusing from mesh { neighbor 127.0.0.2 port 1790 as 64512; }
protocol bgp nobody from mesh { neighbor 192.0.2.1 as 64512; disabled; }
`), 0o644); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd := exec.Command(bird, "-f", "-c", config, "-s", filepath.Join(root, "run/bird.ctl"), "-P", filepath.Join(root, "bird.pid"))
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	if err := inOwnNamespace(func() error {
		if err := exec.Command("ip", "link", "set", "lo", "up").Run(); err != nil {
			return fmt.Errorf("set lo up: %w", err)
		}
		return cmd.Start()
	}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { cmd.Process.Kill(); <-ended }()
	want := []dataplane.Session{
		{Speaker: "bird", Name: "nobody", Peer: netip.MustParseAddr("192.0.2.1"), State: "Down"},
		{Speaker: "bird", Name: "refusing", Peer: netip.MustParseAddr("127.0.0.2"), Error: "Socket: Connection refused"},
	}
	var got []dataplane.Session
	var err error
	for range 600 { // a minute
		got, err = readSessions(context.Background(), place{root, "/proc"})
		if len(got) == 2 && got[1].Error != "" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if len(got) == 2 {
		got[1].State = strings.NewReplacer("Active", "", "Connect", "", "Idle", "").Replace(got[1].State) // by the moment
	}
	if diff := cmp.Diff(want, got, sameSessions); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s%s", err, diff, out.String())
	}
}

// inOwnNamespace calls f in a fresh network namespace, on a thread that ends with it.
func inOwnNamespace(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func FuzzProtocols(f *testing.F) {
	f.Add(bird16)
	f.Add(bird2)
	f.Add("1002-x BGP\n1006-  Neighbor address: \n0000 \n")
	f.Add(" \n0000-\n1002 a BGP b c")
	f.Fuzz(func(t *testing.T, text string) {
		sessions, _ := parseProtocols(strings.NewReader(text))
		if len(sessions) > strings.Count(text, "BGP") {
			t.Fatalf("%d sessions out of %q", len(sessions), text)
		}
		for _, s := range sessions {
			if s.Peer.Zone() != "" || s.Peer.Is4In6() {
				t.Fatalf("%+v", s)
			}
			for _, said := range []string{s.Name, s.State, s.Error} {
				if said != plainText(said, maxWords) {
					t.Fatalf("%q would be obeyed", said)
				}
			}
		}
	})
}
