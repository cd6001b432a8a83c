// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"whohas/check"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/guard"
	"whohas/guard/webhook"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/document"

	admission "k8s.io/api/admission/v1"
	authentication "k8s.io/api/authentication/v1"
)

const world = `
apiVersion: v1
kind: Node
metadata: {name: cdev01, labels: {node-role.kubernetes.io/control-plane: ""}}
status: {addresses: [{type: InternalIP, address: 192.168.10.114}]}
---
apiVersion: v1
kind: Node
metadata: {name: cdev02}
status: {addresses: [{type: InternalIP, address: 192.168.10.115}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.168.10.114]}]
ports: [{name: https, port: 6443, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: away, namespace: demo}
spec: {clusterIP: 10.96.0.81, ports: [{port: 443}]}
`

func reads(tb testing.TB) snapshot.Reads {
	tb.Helper()
	r, err := check.Reads()
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// decider decides on the incident's cluster, in IPVS mode.
func decider(tb testing.TB, reads snapshot.Reads) func(guard.Request) guard.Decision {
	tb.Helper()
	into := &snapshot.Builder{}
	res, err := document.Reading{Reads: reads, Into: into}.Decode(context.Background(), strings.NewReader(world))
	if err != nil {
		tb.Fatal(err)
	}
	res.Cover(into, true)
	s := into.Snapshot()
	in := check.Input{View: claimants.View(s), Facts: cluster.Infer(s, "ipvs", "test"), Objects: s, Coverage: s.Coverage, Rules: rules.All()}
	return func(r guard.Request) guard.Decision { return guard.Decide(guard.State{Input: in}, r) }
}

func service(spec, annotations string) string {
	return `{"apiVersion":"v1","kind":"Service","metadata":{"name":"tomcat","namespace":"demo"` + annotations + `},"spec":` + spec + `}`
}

func review(operation, object, old string) string {
	for _, p := range []*string{&object, &old} {
		if *p == "" {
			*p = "null"
		}
	}
	return `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u1","kind":{"group":"","version":"v1","kind":"Service"},
"resource":{"group":"","version":"v1","resource":"services"},"namespace":"demo","name":"tomcat","operation":"` + operation + `",
"userInfo":{"username":"alice","groups":["dev"]},"object":` + object + `,"oldObject":` + old + `}}`
}

const (
	stolen = `{"type":"ClusterIP","clusterIP":"10.96.0.80","clusterIPs":["10.96.0.80"],"externalIPs":["192.168.10.114"],"ports":[{"port":80,"protocol":"TCP"}]}`
	clean  = `{"type":"ClusterIP","clusterIP":"10.96.0.80","clusterIPs":["10.96.0.80"],"ports":[{"port":80,"protocol":"TCP"}]}`
	allow  = `,"annotations":{"whohas.io/allow":"WH101 reason=it is a test"}`
)

func TestAnswers(t *testing.T) {
	keep := reads(t)
	decide := decider(t, keep)
	for _, test := range []struct {
		name    string
		review  string
		strange bool // who asks is not known
		may     func(context.Context, authentication.UserInfo, snapshot.Ref) (bool, error)
		allowed bool
		outcome webhook.Outcome
		says    string // in the message, or in a warning
	}{
		{name: "the incident", review: review("CREATE", service(stolen, ""), ""), outcome: webhook.Refused, says: "192.168.10.114"},
		{name: "a Service without a claim", review: review("CREATE", service(clean, ""), ""), allowed: true, outcome: webhook.Allowed},
		{name: "the fix", review: review("UPDATE", service(clean, ""), service(stolen, "")), allowed: true, outcome: webhook.Allowed},
		{name: "an old conflict, and something else changes", review: review("UPDATE", service(stolen, `,"labels":{"a":"b"}`), service(stolen, "")), allowed: true, outcome: webhook.Allowed},
		{name: "deletion", review: review("DELETE", "", service(stolen, "")), allowed: true, outcome: webhook.Allowed},
		{name: "an annotation by somebody who may not", review: review("CREATE", service(stolen, allow), ""),
			may:     func(context.Context, authentication.UserInfo, snapshot.Ref) (bool, error) { return false, nil },
			outcome: webhook.Refused, says: "override"},
		{name: "whether somebody may is not known", review: review("CREATE", service(stolen, allow), ""),
			may: func(context.Context, authentication.UserInfo, snapshot.Ref) (bool, error) {
				return true, errors.New("no answer")
			},
			outcome: webhook.Refused, says: "override"},
		{name: "an annotation by somebody who may", review: review("CREATE", service(stolen, allow), ""), allowed: true,
			may: func(_ context.Context, u authentication.UserInfo, on snapshot.Ref) (bool, error) {
				return u.Username == "alice" && on.String() == "Service demo/tomcat", nil
			}, outcome: webhook.Excused, says: "WH101"},
		{name: "a stranger's incident", strange: true, review: review("CREATE", service(stolen, ""), ""), outcome: webhook.Refused, says: "spec.externalIPs[0]: 192.168.10.114"},
		{name: "a stranger with somebody else's name", strange: true, review: review("CREATE", service(stolen, allow), ""), allowed: true,
			may: func(context.Context, authentication.UserInfo, snapshot.Ref) (bool, error) { return true, nil }, outcome: webhook.Allowed, says: "excused by whohas.io/allow: it is a test"},
		{name: "an object that is none", review: review("CREATE", service(`{"externalIPs":`+strings.Repeat(`[`, 300)+strings.Repeat(`]`, 300)+`}`, ""), ""),
			allowed: true, outcome: webhook.Unread, says: "could not read"},
		{name: "a kind that nobody reads", review: review("CREATE", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}`, ""), allowed: true, outcome: webhook.Allowed},
	} {
		t.Run(test.name, func(t *testing.T) {
			var told []webhook.Answered
			h := webhook.New(webhook.Handler{Reads: keep, Decide: decide, MayOverride: test.may, Known: func(*http.Request) bool { return !test.strange },
				Answered: func(a webhook.Answered) { told = append(told, a) }})
			code, answer := post(t, h, test.review)
			if code != http.StatusOK || answer.Response == nil || answer.Response.UID != "u1" || answer.Response.Allowed != test.allowed {
				t.Fatalf("status %d, %+v", code, answer.Response)
			}
			said := strings.Join(answer.Response.Warnings, "\n")
			if answer.Response.Result != nil {
				said += answer.Response.Result.Message
			}
			if !strings.Contains(said, test.says) {
				t.Errorf("it does not say %q: %q", test.says, said)
			}
			if named := strings.Contains(said, "cdev01"); test.strange && (named || len(told) == 1 && len(told[0].Decision.Excused) > 0) || test.outcome == webhook.Refused && !test.strange && !named {
				t.Errorf("it names the owner: %v, told %+v: %q", named, told, said)
			}
			if len(told) != 1 || told[0].Outcome != test.outcome || told[0].User != "alice" || told[0].Known == test.strange {
				t.Errorf("told %+v, want %s", told, test.outcome)
			}
		})
	}
}

func post(t *testing.T, h http.Handler, body string) (int, admission.AdmissionReview) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/validate", strings.NewReader(body)))
	var out admission.AdmissionReview
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, out
}

// TestEndpoints: who leads a Service to the apiserver is refused, by Endpoints and by a
// slice, whatever name he gives as its keeper's.
func TestEndpoints(t *testing.T) {
	keep := reads(t)
	h := webhook.New(webhook.Handler{Reads: keep, Decide: decider(t, keep), Known: func(*http.Request) bool { return true }})
	slice := func(labels, address string) string {
		return `{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"away-1","namespace":"demo","labels":{"kubernetes.io/service-name":"away"` + labels + `}},
"addressType":"IPv4","endpoints":[{"addresses":["` + address + `"]}],"ports":[{"port":6443,"protocol":"TCP"}]}`
	}
	endpoints := func(address string) string {
		return `{"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"away","namespace":"demo"},"subsets":[{"addresses":[{"ip":"` + address + `"}],"ports":[{"port":6443,"protocol":"TCP"}]}]}`
	}
	for _, test := range []struct {
		name, object string
		allowed      bool
	}{
		{"Endpoints", endpoints("192.168.10.114"), false},
		{"Endpoints of somebody else", endpoints("192.168.10.60"), true},
		{"a slice", slice("", "192.168.10.114"), false},
		{"a slice with an invented keeper", slice(`,"endpointslice.kubernetes.io/managed-by":"me"`, "192.168.10.114"), false},
		{"a slice with the control plane's name", slice(`,"endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io"`, "192.168.10.114"), false},
		{"a slice of somebody else", slice("", "192.168.10.60"), true},
	} {
		code, answer := post(t, h, review("CREATE", test.object, ""))
		if code != http.StatusOK || answer.Response.Allowed != test.allowed || !test.allowed && !strings.Contains(answer.Response.Result.Message, "WH211") {
			t.Errorf("%s: status %d, %+v", test.name, code, answer.Response)
		}
	}
}

// TestNoReviews: what is no review is answered with an error, of which the webhook's
// failurePolicy makes what it should.
func TestNoReviews(t *testing.T) {
	keep := reads(t)
	for _, test := range []struct {
		name, method, body string
		ready              bool
		code               int
		outcome            webhook.Outcome
	}{
		{"nothing", "POST", "", true, 400, webhook.Malformed},
		{"garbage", "POST", "\x00\x01{{{", true, 400, webhook.Malformed},
		{"another kind", "POST", `{"kind":"Service","apiVersion":"v1"}`, true, 400, webhook.Malformed},
		{"another version", "POST", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"uid":"x"}}`, true, 400, webhook.Malformed},
		{"without a request", "POST", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, true, 400, webhook.Malformed},
		{"too large", "POST", `{"kind":"` + strings.Repeat("x", 9<<20) + `"}`, true, 400, webhook.Malformed},
		{"the register is not there", "POST", review("CREATE", service(stolen, ""), ""), false, 503, webhook.NotReady},
		{"not posted", "GET", "", true, 405, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var told webhook.Answered
			h := webhook.New(webhook.Handler{Reads: keep, Decide: decider(t, keep), Ready: func() bool { return test.ready }, Answered: func(a webhook.Answered) { told = a }})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(test.method, "/validate", strings.NewReader(test.body)))
			if w.Code != test.code || told.Outcome != test.outcome {
				t.Errorf("status %d, outcome %q: want %d, %q", w.Code, told.Outcome, test.code, test.outcome)
			}
		})
	}
}

// TestGone: a decision ends with its request, and is not told to anybody then.
func TestGone(t *testing.T) {
	keep := reads(t)
	ctx, stop := context.WithCancel(t.Context())
	var told []webhook.Outcome
	decide := decider(t, keep)
	h := webhook.New(webhook.Handler{Reads: keep, Answered: func(a webhook.Answered) { told = append(told, a.Outcome) }, Decide: func(r guard.Request) guard.Decision {
		if r.Ended() {
			t.Error("it has ended before")
		}
		stop()
		if !r.Ended() {
			t.Error("it does not know that its request has ended")
		}
		return decide(r)
	}})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/validate", strings.NewReader(review("CREATE", service(stolen, ""), ""))).WithContext(ctx))
	if w.Code != http.StatusServiceUnavailable || len(told) != 1 || told[0] != webhook.Gone {
		t.Errorf("status %d, told %q: %s", w.Code, told, w.Body)
	}
}

// TestManyStrangers: while four questions about strangers' permissions are under way, a
// fifth is taken for one without permission. Who is known asks nevertheless.
func TestManyStrangers(t *testing.T) {
	const known = "Known"
	keep := reads(t)
	asked, release := make(chan bool, 8), make(chan bool)
	h := webhook.New(webhook.Handler{Reads: keep, Decide: decider(t, keep), Answered: func(webhook.Answered) {},
		Known: func(r *http.Request) bool { return r.Header.Get(known) != "" },
		MayOverride: func(context.Context, authentication.UserInfo, snapshot.Ref) (bool, error) {
			asked <- true
			<-release
			return true, nil
		}})
	ask := func(header string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequest(http.MethodPost, "/validate", strings.NewReader(review("CREATE", service(stolen, allow), ""))), httptest.NewRecorder()
		if header != "" {
			r.Header.Set(header, "yes")
		}
		h.ServeHTTP(w, r)
		return w
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { ask("") })
		<-asked
	}
	if w := ask(""); !strings.Contains(w.Body.String(), `"allowed":false`) || len(asked) > 0 {
		t.Errorf("the fifth: %s", w.Body)
	}
	all.Go(func() {
		if w := ask(known); !strings.Contains(w.Body.String(), `"allowed":true`) {
			t.Errorf("who is known: %s", w.Body)
		}
	})
	<-asked
	close(release)
	all.Wait()
}

// TestBroken: a panic in a decision is an error for the one who asked, and the next
// question is answered.
func TestBroken(t *testing.T) {
	keep := reads(t)
	decide, broken := decider(t, keep), true
	h := webhook.New(webhook.Handler{Reads: keep, Decide: func(r guard.Request) guard.Decision {
		if broken {
			panic("a rule")
		}
		return decide(r)
	}})
	if code, _ := post(t, h, review("CREATE", service(stolen, ""), "")); code != http.StatusInternalServerError {
		t.Errorf("status %d", code)
	}
	broken = false
	if code, answer := post(t, h, review("CREATE", service(stolen, ""), "")); code != http.StatusOK || answer.Response.Allowed {
		t.Errorf("status %d, %+v", code, answer.Response)
	}
}

// FuzzReview: whatever is posted, the answer is one of the four statuses, and a decision
// to refuse names a rule.
func FuzzReview(f *testing.F) {
	for _, seed := range []string{review("CREATE", service(stolen, ""), ""), review("UPDATE", service(stolen, allow), service(clean, "")), review("DELETE", "", service(stolen, "")), "{}", ""} {
		f.Add([]byte(seed))
	}
	keep := reads(f)
	h := webhook.New(webhook.Handler{Reads: keep, Decide: decider(f, keep)})
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/validate", bytes.NewReader(body)))
		switch w.Code {
		case http.StatusBadRequest:
		case http.StatusOK:
			var out admission.AdmissionReview
			if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Response == nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if !out.Response.Allowed && !strings.Contains(out.Response.Result.Message, "WH") {
				t.Errorf("refused without a rule: %q", out.Response.Result.Message)
			}
		default:
			t.Errorf("status %d", w.Code)
		}
	})
}
