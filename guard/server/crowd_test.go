// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"whohas/testkit/port"
)

// attacks are what hostile clients do with each of their connections, again as soon as
// they are turned away.
var attacks = map[string]func(c *tls.Conn){
	"GET": func(c *tls.Conn) {
		for {
			io.WriteString(c, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, err := c.Read(make([]byte, 4096)); err != nil {
				return
			}
			time.Sleep(20 * time.Second)
		}
	},
	"silence": func(c *tls.Conn) { io.Copy(io.Discard, c) },
	"no TLS":  func(c *tls.Conn) { io.Copy(io.Discard, c.NetConn()) },
	"forged": func(c *tls.Conn) {
		in := bufio.NewReader(c)
		for {
			io.WriteString(c, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nq")
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				return
			}
			io.Copy(io.Discard, res.Body)
			time.Sleep(time.Second)
		}
	},
	"malformed": func(c *tls.Conn) {
		io.WriteString(c, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n!")
		io.Copy(io.Discard, c)
	},
}

// TestAttacker is the other process of the crowd's tests: "ATTACK ADDRESS SOURCE N".
func TestAttacker(t *testing.T) {
	words := strings.Split(os.Getenv("WHOHAS_ATTACK"), ",")
	if len(words) != 4 {
		t.Skip("it is started by others")
	}
	n, _ := strconv.Atoi(words[3])
	from := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(words[2]), 0)), Timeout: 10 * time.Second}
	for range n {
		go func() {
			for {
				c, err := from.Dial("tcp", words[1])
				if err != nil {
					time.Sleep(time.Millisecond)
					continue
				}
				s := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				if words[0] == "no TLS" || s.Handshake() == nil {
					attacks[words[0]](s)
				}
				c.Close()
			}
		}()
	}
	io.Copy(io.Discard, os.Stdin) // until its parent ends
}

// crowded is a front, and a crowd before it.
type crowded struct {
	front *front
	at    string
	pool  *x509.CertPool
	cert  []tls.Certificate // of a client that is known
}

func crowd(t testing.TB, known bool, attack, source string, n int) *crowded {
	t.Helper()
	dir := t.TempDir()
	c := &crowded{at: port.Keep(t), pool: x509.NewCertPool()}
	c.pool.AddCert(certify(t, dir))
	c.front = newFront(c.at, dir, slog.New(slog.DiscardHandler))
	if known { // the server's certificate is the client's, too
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
		if err != nil {
			t.Fatal(err)
		}
		c.cert, c.front.callers = []tls.Certificate{pair}, Callers{CA: filepath.Join(dir, "tls.crt"), Names: []string{"localhost"}}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.front.serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if text, err := io.ReadAll(r.Body); err != nil || string(text) != "q" {
				http.Error(w, "no question", http.StatusBadRequest)
			}
		}))
	}()
	<-c.front.started
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if n > 0 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAttacker$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("WHOHAS_ATTACK=%s,%s,%s,%d", attack, c.at, source, n))
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
		for begun := time.Now(); c.front.gate.counts(stranger)+c.front.gate.counts(guest) < min(n, 100) && time.Since(begun) < time.Minute; {
			time.Sleep(10 * time.Millisecond)
		}
	}
	return c
}

// asks asks properly n times, as an apiserver does: it keeps some connections. It gives how
// long each took; of a question that was not answered, -1.
func (c *crowded) asks(t testing.TB, n int, keep bool) []time.Duration {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.pool, ServerName: "localhost", Certificates: c.cert}, DisableKeepAlives: !keep, MaxIdleConnsPerHost: 25}
	defer transport.CloseIdleConnections()
	client := &http.Client{Timeout: 3 * time.Second, Transport: transport}
	took := make([]time.Duration, n)
	for i := range took {
		begun := time.Now()
		res, err := client.Post("https://"+c.at+"/validate", "application/json", strings.NewReader("q"))
		if took[i] = time.Since(begun); err != nil || res.StatusCode != http.StatusOK {
			took[i] = -1
		}
		if err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	}
	return took
}

// TestCrowd: whatever six hundred strangers do, questions are answered, beside them and
// from behind the same address.
func TestCrowd(t *testing.T) {
	for attack := range attacks {
		for _, source := range []string{"127.0.0.1", "127.0.0.2"} {
			t.Run(attack+" from "+source, func(t *testing.T) {
				lost := 0
				for _, took := range crowd(t, true, attack, source, 600).asks(t, 20, true) {
					if took < 0 {
						lost++
					}
				}
				if lost > 0 {
					t.Errorf("%d of 20 questions were lost", lost)
				}
			})
		}
	}
}

// BenchmarkCrowd: 2,000 hostile connections, which come again as soon as they are turned
// away, from the same address as proper questions and from another. Of the questions the
// half and the hundredth slowest, and how many are lost.
func BenchmarkCrowd(b *testing.B) {
	for _, attack := range append([]string{"nothing"}, slices.Sorted(func(yield func(string) bool) {
		for name := range attacks {
			if !yield(name) {
				return
			}
		}
	})...) {
		for _, source := range []string{"127.0.0.2", "127.0.0.1"} {
			for _, known := range []bool{true, false} {
				for _, keep := range []bool{true, false} {
					n := 2000
					if attack == "nothing" {
						n = 0
					}
					b.Run(fmt.Sprintf("%s/same=%v/mTLS=%v/kept=%v", attack, source == "127.0.0.1", known, keep), func(b *testing.B) {
						c := crowd(b, known, attack, source, n)
						c.asks(b, 1, keep)
						var took []time.Duration
						for b.Loop() {
							took = append(took, c.asks(b, 500, keep)...)
						}
						slices.Sort(took)
						lost := 0
						for lost < len(took) && took[lost] < 0 {
							lost++
						}
						for _, p := range []int{50, 99} {
							b.ReportMetric(float64(took[len(took)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
						}
						b.ReportMetric(float64(lost)*100/float64(len(took)), "lost-%")
					})
				}
			}
		}
	}
}
