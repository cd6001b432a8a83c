// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"whohas/testkit/port"
)

// faced is a front with limits that a test can wait for.
type faced struct {
	t    *testing.T
	at   string
	pool *x509.CertPool
	log  *bytes.Buffer // read it once the front has ended
	end  func()
}

func face(t *testing.T) *faced {
	t.Helper()
	at := port.Keep(t)
	f := &faced{t: t, at: at, pool: x509.NewCertPool(), log: new(bytes.Buffer)}
	dir := t.TempDir()
	f.pool.AddCert(certify(t, dir))
	x := newFront(at, dir, slog.New(slog.NewTextHandler(f.log, nil)))
	x.limits = limits{header: 3 * time.Second, request: 4 * time.Second, idle: 5 * time.Second, pause: 100 * time.Millisecond, strangers: 4, guests: 4, friends: 4}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- x.serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(w, r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		}))
	}()
	f.end = func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the front ended: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the front does not end")
		}
	}
	select {
	case <-x.started:
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatal("the front does not start")
	}
	return f
}

// certify writes a certificate for localhost.
func certify(t testing.TB, dir string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: der}, "tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (f *faced) tls() *tls.Config { return &tls.Config{RootCAs: f.pool, ServerName: "localhost"} }

// answers asks properly, by a connection of its own.
func (f *faced) answers() {
	f.t.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: f.tls(), DisableKeepAlives: true}}
	res, err := client.Post("https://"+f.at+"/validate", "application/json", strings.NewReader("a question"))
	if err != nil {
		f.t.Fatalf("a proper question: %v", err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || string(text) != "a question" {
		f.t.Errorf("a proper question: %s %q, %v", res.Status, text, err)
	}
}

// TestStrangers: whatever is sent to the port, as often as there are connections to
// have, who asks properly is answered in the end. What strangers send is not logged.
func TestStrangers(t *testing.T) {
	f := face(t)
	secure := func(c net.Conn) net.Conn {
		s := tls.Client(c, f.tls())
		if err := s.Handshake(); err != nil {
			t.Errorf("handshake: %v", err)
		}
		return s
	}
	for _, test := range []struct {
		name string
		do   func(net.Conn)
	}{
		{"bytes", func(c net.Conn) { c.Write(bytes.Repeat([]byte{0xff, 0, 0x16, 3}, 5000)) }},
		{"plain HTTP", func(c net.Conn) { io.WriteString(c, "POST /validate HTTP/1.1\r\nHost: x\r\n\r\n") }},
		{"silence", func(net.Conn) {}},
		{"half a handshake", func(c net.Conn) { c.Write([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}) }},
		{"a handshake and silence", func(c net.Conn) { secure(c) }},
		{"half a header", func(c net.Conn) { io.WriteString(secure(c), "POST /validate HTTP/1.1\r\nHost: ") }},
		{"half a body", func(c net.Conn) {
			io.WriteString(secure(c), "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
		}},
		{"a question, and it stays", func(c net.Conn) {
			io.WriteString(secure(c), "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{")
		}},
		{"a header that does not end", func(c net.Conn) {
			s := secure(c)
			io.WriteString(s, "POST /validate HTTP/1.1\r\nHost: x\r\n")
			for range 2000 {
				if _, err := io.WriteString(s, "X-A: "+strings.Repeat("a", 1000)+"\r\n"); err != nil {
					return // it had enough
				}
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 4 {
				c, err := net.Dial("tcp", f.at)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				test.do(c)
			}
			f.answers()
		})
	}
	f.end()
	if lines := strings.Count(f.log.String(), "\n"); lines > 3 {
		t.Errorf("%d lines of log:\n%.2000s", lines, f.log)
	}
}

// TestTrickle: a client that sends a byte now and then is ended all the same, also where
// nobody needs its place.
func TestTrickle(t *testing.T) {
	f := face(t)
	defer f.end()
	var tricklers sync.WaitGroup
	for range 4 {
		c, err := tls.Dial("tcp", f.at, f.tls())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		tricklers.Go(func() {
			io.WriteString(c, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
			for {
				if _, err := io.WriteString(c, "x"); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("after a minute it trickles still")
					return
				} else if err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	f.answers()
	tricklers.Wait()
}
