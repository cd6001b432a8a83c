// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"whohas/guard"
	"whohas/guard/webhook"
	"whohas/snapshot"

	authentication "k8s.io/api/authentication/v1"
)

// right asks for the incident and for its fix: after any fault both are answered as ever.
func right(t *testing.T, h http.Handler) {
	t.Helper()
	if code, answer := post(t, h, review("CREATE", service(stolen, ""), "")); code != http.StatusOK || answer.Response.Allowed {
		t.Errorf("the incident: status %d, %+v", code, answer.Response)
	}
	if code, answer := post(t, h, review("UPDATE", service(clean, ""), service(stolen, ""))); code != http.StatusOK || !answer.Response.Allowed {
		t.Errorf("the fix: status %d, %+v", code, answer.Response)
	}
}

// TestSlowBodies: more clients than there are places begin a question and do not end it.
func TestSlowBodies(t *testing.T) {
	keep := reads(t)
	h := webhook.New(webhook.Handler{Reads: keep, Decide: decider(t, keep)})
	reading := make(chan struct{}, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = told{r.Body, reading}
		h.ServeHTTP(w, r)
	}))
	defer s.Close()
	for range cap(reading) {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
	}
	for range cap(reading) {
		select {
		case <-reading:
		case <-time.After(time.Minute):
			t.Fatal("the bodies are not read")
		}
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		right(t, h)
	}()
	select {
	case <-answered:
	case <-time.After(time.Minute):
		t.Fatal("nobody is answered while others send slowly")
	}
}

// told says when somebody begins to read.
type told struct {
	io.ReadCloser
	began chan<- struct{}
}

func (b told) Read(p []byte) (int, error) {
	select {
	case b.began <- struct{}{}:
	default:
	}
	return b.ReadCloser.Read(p)
}

// TestManyLargeBodies: what is held of all questions together is bounded, and what is
// beyond it is told so. The bodies are as large as they may be, and wait for a place.
func TestManyLargeBodies(t *testing.T) {
	keep := reads(t)
	decide, wait := decider(t, keep), make(chan struct{})
	var mu sync.Mutex
	outcomes := map[webhook.Outcome]int{}
	h := webhook.New(webhook.Handler{Reads: keep, Decide: func(r guard.Request) guard.Decision {
		<-wait
		return decide(r)
	}, Answered: func(a webhook.Answered) {
		mu.Lock()
		defer mu.Unlock()
		outcomes[a.Outcome]++
	}})
	large := review("CREATE", service(stolen, `,"annotations":{"a":"`+strings.Repeat("x", 7<<20)+`"}`), "")
	const asked = 60
	codes := make(chan int, asked)
	for range asked {
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/validate", strings.NewReader(large)))
			codes <- w.Code
		}()
	}
	busy := 0
	for busy == 0 { // nobody else can be answered yet
		select {
		case code := <-codes:
			if code != http.StatusServiceUnavailable {
				t.Fatalf("status %d", code)
			}
			busy++
		case <-time.After(time.Minute):
			t.Fatal("all of them are held")
		}
	}
	close(wait)
	for range asked - busy {
		if code := <-codes; code != http.StatusOK && code != http.StatusServiceUnavailable {
			t.Errorf("status %d", code)
		}
	}
	if outcomes[webhook.Busy] == 0 || outcomes[webhook.Refused] == 0 || outcomes[webhook.Busy]+outcomes[webhook.Refused] != asked {
		t.Errorf("outcomes %v", outcomes)
	}
	right(t, h)
}

// TestLargeObjects: an object may have annotations of a megabyte, and an update holds
// two such; the decision is that of any object. What is larger than an apiserver can
// send is an error (TestNoReviews), which failurePolicy decides.
func TestLargeObjects(t *testing.T) {
	keep := reads(t)
	h := webhook.New(webhook.Handler{Reads: keep, Decide: decider(t, keep)})
	ballast := `,"annotations":{"a":"` + strings.Repeat("x", 3<<19) + `"}`
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 50 {
		if code, answer := post(t, h, review("UPDATE", service(stolen, ballast), service(clean, ballast))); code != http.StatusOK || answer.Response.Allowed || !strings.Contains(answer.Response.Result.Message, "WH101") {
			t.Fatalf("status %d, %+v", code, answer.Response)
		}
		if code, answer := post(t, h, review("UPDATE", service(clean, ballast), service(stolen, ballast))); code != http.StatusOK || !answer.Response.Allowed {
			t.Fatalf("the fix: status %d, %+v", code, answer.Response)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if more := int64(after.HeapAlloc) - int64(before.HeapAlloc); more > 8<<20 {
		t.Errorf("%d bytes of them are kept", more)
	}
	right(t, h)
}

// TestClockSteps: what a permission allows follows the clock, whichever way it goes.
func TestClockSteps(t *testing.T) {
	keep := reads(t)
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	h := webhook.New(webhook.Handler{Reads: keep, Decide: decider(t, keep), Now: func() time.Time { return now },
		MayOverride: func(context.Context, authentication.UserInfo, snapshot.Ref) (bool, error) { return true, nil }})
	excused := service(stolen, `,"annotations":{"whohas.io/allow":"WH101 reason=a test until=2026-12-01"}`)
	for _, step := range []struct {
		by      time.Duration
		allowed bool
	}{{0, true}, {24 * time.Hour, true}, {72 * time.Hour, false}, {-96 * time.Hour, true}, {-24 * 365 * time.Hour, true}, {24 * 3650 * time.Hour, false}} {
		now = now.Add(step.by)
		if code, answer := post(t, h, review("CREATE", excused, "")); code != http.StatusOK || answer.Response.Allowed != step.allowed {
			t.Errorf("at %v: status %d, allowed %v", now, code, answer.Response.Allowed)
		}
		right(t, h)
	}
}

// TestCutOff: clients go away in the middle of a question and of an answer.
func TestCutOff(t *testing.T) {
	keep := reads(t)
	h := webhook.New(webhook.Handler{Reads: keep, Decide: decider(t, keep)})
	s := httptest.NewServer(h)
	defer s.Close()
	body := review("CREATE", service(stolen, ""), "")
	for _, sent := range []int{0, 1, len(body) / 2, len(body)} {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:sent])
		c.Close()
	}
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	right(t, h)
}
