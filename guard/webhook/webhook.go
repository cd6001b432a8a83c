// SPDX-License-Identifier: Apache-2.0

// Package webhook answers the apiserver's questions about writes (AdmissionReview of
// admission.k8s.io/v1) with a guard's decisions.
//
// It fails open: what it cannot read it admits, and says so. Only a review that is
// none at all, or a register that is not there yet, is answered with an error, of
// which the webhook's failurePolicy makes what its owner wants.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"whohas/guard"
	"whohas/snapshot"
	"whohas/source/document"

	"golang.org/x/time/rate"
	admission "k8s.io/api/admission/v1"
	authentication "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// maxReview bounds what is read of a question: an object is at most 3 MiB
	// (kubernetes apiserver pkg/server/config.go MaxRequestBodyBytes, v1.36), and an
	// update holds two.
	maxReview = 8 << 20
	// atOnce bounds the questions under way, and so the memory that they take.
	atOnce = 32
	// warningSize is what the API's reference asks of a warning; longer ones are cut.
	warningSize = 256
	// decideLimit bounds an answer: an apiserver waits for no more than 30 seconds, and
	// is told to wait for three (kubernetes pkg/apis/admissionregistration/validation
	// validateWebhook; deploy/base/webhook.yaml).
	decideLimit = 10 * time.Second
	// maxHeld bounds the bytes of all questions that are not answered yet. They are
	// read before their turn comes, so that who sends one slowly holds up nobody.
	maxHeld = 64 << 20
)

// Outcome is what became of a question; the values are those of a metric's label.
type Outcome string

// The outcomes.
const (
	Allowed   Outcome = "allowed"
	Warned    Outcome = "warned"
	Refused   Outcome = "refused"
	Excused   Outcome = "excused" // a refusal that somebody was allowed to lift
	Unread    Outcome = "unread"  // admitted, because it could not be read
	Malformed Outcome = "malformed"
	NotReady  Outcome = "not-ready"
	Busy      Outcome = "busy"   // too many bytes of other questions are held
	Failed    Outcome = "failed" // the guard itself broke
	Gone      Outcome = "gone"   // nobody waited for the answer any more
)

// Answered is told of each answer.
type Answered struct {
	Outcome  Outcome
	Decision guard.Decision // zero where none was made; of who is not known without what was excused
	User     string         // as the review has it
	Known    bool           // who asked is
	DryRun   bool
	Took     time.Duration // the decision alone, without decoding
}

// Handler is the webhook. Reads and Decide must be given; it is not changed once it
// serves.
type Handler struct {
	Reads  snapshot.Reads
	Decide func(guard.Request) guard.Decision
	// Known reports whether a request is an apiserver's, by what only that has; nil: of none
	// it is known. Anybody in the cluster may send a review, with any user in it.
	Known func(*http.Request) bool
	// Ready reports whether the register is there; nil: always.
	Ready func() bool
	// MayOverride reports whether a user may excuse findings (SubjectAccessReview); nil:
	// nobody. It is asked only where it matters.
	MayOverride func(context.Context, authentication.UserInfo, snapshot.Ref) (bool, error)
	// Answered is told of each answer, by several goroutines at once; nil: nobody.
	Answered func(Answered)
	Log      *slog.Logger     // nil: nothing is logged
	Now      func() time.Time // nil: the clock

	slots   chan struct{}
	strange chan struct{} // permissions that are asked about for who is not known
	told    *rate.Limiter // lines of log about who is not known
	held    *atomic.Int64 // bytes of questions
}

// New makes a Handler ready to serve.
func New(h Handler) *Handler {
	if h.Known == nil {
		h.Known = func(*http.Request) bool { return false }
	}
	if h.Ready == nil {
		h.Ready = func() bool { return true }
	}
	if h.Answered == nil {
		h.Answered = func(Answered) {}
	}
	if h.Log == nil {
		h.Log = slog.New(slog.DiscardHandler)
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	h.slots, h.held = make(chan struct{}, atOnce), new(atomic.Int64)
	h.strange, h.told = make(chan struct{}, strangeReviews), rate.NewLimiter(logsOfStrangers, 10*logsOfStrangers)
	return &h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer h.recovered(w)
	if r.Method != http.MethodPost {
		http.Error(w, "an AdmissionReview is posted here", http.StatusMethodNotAllowed)
		return
	}
	if !h.Ready() {
		h.Answered(Answered{Outcome: NotReady})
		http.Error(w, "the register is not there yet", http.StatusServiceUnavailable)
		return
	}
	body := &counted{Reader: http.MaxBytesReader(w, r.Body, maxReview), held: h.held}
	defer body.release()
	text, err := io.ReadAll(body)
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-r.Context().Done():
		return
	}
	var review *admission.AdmissionReview
	if err == nil {
		review, err = readReview(text)
	}
	if err != nil {
		h.unread(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), decideLimit)
	defer cancel()
	if review.Response = h.answer(ctx, review.Request, h.Known(r)); review.Response == nil {
		http.Error(w, "nobody waits for the answer any more", http.StatusServiceUnavailable)
		return
	}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(review); err != nil {
		h.Log.Debug("answer not sent", "error", err)
	}
}

// recovered makes an answer of a panic: the server goes on.
func (h *Handler) recovered(w http.ResponseWriter) {
	if p := recover(); p != nil {
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		h.Log.Error("the guard broke", "panic", p, "stack", string(debug.Stack()))
		h.Answered(Answered{Outcome: Failed})
		http.Error(w, "the guard broke", http.StatusInternalServerError)
	}
}

// unread answers what is no question, or could not be taken.
func (h *Handler) unread(w http.ResponseWriter, err error) {
	if errors.Is(err, errBusy) {
		h.Answered(Answered{Outcome: Busy})
		h.Log.Warn("too much at once", "error", err)
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	h.Answered(Answered{Outcome: Malformed})
	h.Log.Warn("malformed review", "error", err)
	http.Error(w, "admission review: "+err.Error(), http.StatusBadRequest)
}

var errBusy = errors.New("too many questions are being read")

// counted counts what is held of a question beside what is held of all.
type counted struct {
	io.Reader
	held *atomic.Int64
	mine int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.mine += int64(n)
	if c.held.Add(int64(n)) > maxHeld {
		return n, errBusy
	}
	return n, err
}

func (c *counted) release() { c.held.Add(-c.mine) }

func readReview(text []byte) (*admission.AdmissionReview, error) {
	var review admission.AdmissionReview
	if err := json.Unmarshal(text, &review); err != nil {
		return nil, err
	}
	switch {
	case review.APIVersion != "admission.k8s.io/v1" || review.Kind != "AdmissionReview":
		return nil, fmt.Errorf("it is %q of %q", review.Kind, review.APIVersion)
	case review.Request == nil || review.Request.UID == "":
		return nil, errors.New("it holds no request")
	}
	return &review, nil
}

// answer decides on one request; nil: nobody waits for it any more.
func (h *Handler) answer(ctx context.Context, q *admission.AdmissionRequest, known bool) *admission.AdmissionResponse {
	done := Answered{Outcome: Allowed, User: q.UserInfo.Username, DryRun: q.DryRun != nil && *q.DryRun, Known: known}
	defer func() { h.Answered(done) }()
	request, err := h.request(q)
	if err != nil {
		done.Outcome = Unread
		h.Log.Warn("admitted unread", "kind", q.Kind.Kind, "namespace", q.Namespace, "name", q.Name, "error", err)
		return &admission.AdmissionResponse{UID: q.UID, Allowed: true, Warnings: []string{cut("whohas could not read this, and has not looked at it: " + err.Error())}}
	}
	if request.After == nil {
		return &admission.AdmissionResponse{UID: q.UID, Allowed: true}
	}
	request.Ended = func() bool { return ctx.Err() != nil }
	begun := time.Now()
	d := h.Decide(request)
	done.Took = time.Since(begun)
	if d.WantsOverride() && h.mayOverride(ctx, q, request.After.Ref, known) {
		request.MayOverride = true
		d = h.Decide(request)
	}
	if ctx.Err() != nil {
		done.Outcome = Gone
		return nil
	}
	out := response(q.UID, &d, known)
	if !known { // on a stranger's word nobody is told that somebody was excused
		d.Excused = nil
	}
	done.Decision, done.Outcome = d, outcome(d)
	h.log(q, done)
	return out
}

// request reads what the guard looks at. A DELETE has nothing after it.
func (h *Handler) request(q *admission.AdmissionRequest) (guard.Request, error) {
	r := guard.Request{Operation: guard.Operation(q.Operation), Subresource: q.SubResource, Now: h.Now()}
	if q.Operation != admission.Create && q.Operation != admission.Update {
		return r, nil
	}
	after, err := h.object(q, q.Object.Raw)
	if err != nil {
		return r, err
	}
	r.After = after
	if q.Operation == admission.Update {
		if r.Before, err = h.object(q, q.OldObject.Raw); err != nil {
			return r, err
		}
	}
	return r, nil
}

// object decodes one; nil where nobody reads its kind.
func (h *Handler) object(q *admission.AdmissionRequest, text []byte) (*snapshot.Object, error) {
	o, faults := document.Reading{Reads: h.Reads, Namespace: q.Namespace}.Object(text)
	for _, f := range faults {
		if f.Status == snapshot.StatusUnreadable {
			return nil, errors.New(f.Detail)
		}
	}
	if o != nil {
		o.Line = 0
	}
	return o, nil
}

// strangeReviews bounds the questions about permissions that are under way for who is not
// known, and logsOfStrangers the lines of log a second.
const (
	strangeReviews  = 4
	strangeWait     = 100 * time.Millisecond
	logsOfStrangers = 5
)

func (h *Handler) mayOverride(ctx context.Context, q *admission.AdmissionRequest, on snapshot.Ref, known bool) bool {
	if h.MayOverride == nil {
		return false
	}
	if !known {
		select {
		case h.strange <- struct{}{}:
			defer func() { <-h.strange }()
		case <-time.After(strangeWait): // a turn among all questions is held meanwhile
			return false
		}
	}
	may, err := h.MayOverride(ctx, q.UserInfo, on)
	if err != nil {
		h.Log.Warn("permission to override not known: taken as none", "user", q.UserInfo.Username, "error", err)
		return false
	}
	return may
}

func outcome(d guard.Decision) Outcome {
	switch {
	case !d.Allowed:
		return Refused
	case len(d.Excused) > 0:
		return Excused
	case len(d.Warnings) > 0:
		return Warned
	}
	return Allowed
}

// log tells of what was not simply admitted. Nothing of the object but its name and
// the findings' titles is logged.
func (h *Handler) log(q *admission.AdmissionRequest, a Answered) {
	if a.Outcome == Allowed || !a.Known && !h.told.Allow() {
		return
	}
	h.Log.Info("decided", "outcome", string(a.Outcome), "operation", string(q.Operation), "kind", q.Kind.Kind, "subresource", q.SubResource,
		"namespace", q.Namespace, "name", q.Name, "user", q.UserInfo.Username, "known", a.Known, "dryRun", a.DryRun, "message", a.Decision.Message())
}

// response is what the apiserver hands on. Whose an address is it tells an apiserver alone.
func response(uid types.UID, d *guard.Decision, known bool) *admission.AdmissionResponse {
	out := &admission.AdmissionResponse{UID: uid, Allowed: d.Allowed}
	notes, message := d.UnnamedNotes, d.Unnamed
	if known {
		notes, message = d.Notes, d.Message
	}
	for _, n := range notes() {
		out.Warnings = append(out.Warnings, cut(n))
	}
	if !d.Allowed {
		out.Result = &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: message()}
	}
	if len(d.Excused) > 0 {
		out.AuditAnnotations = map[string]string{"excused": strings.Join(notes(), "; ")}
	}
	return out
}

// cut makes one line of a warning, no longer than clients show.
func cut(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > warningSize {
		return string(r[:warningSize-3]) + "..."
	}
	return text
}
