// SPDX-License-Identifier: Apache-2.0

package live

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"whohas/snapshot"
	"whohas/source/document"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// item is an object as a list or a watch showed it: what a reflector must know of it,
// and what is kept of it.
type item struct {
	metav1.ObjectMeta
	held *snapshot.Snapshot // of this one object
}

func (*item) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }
func (i *item) DeepCopyObject() runtime.Object { return i } // nobody changes one

// add puts what is kept into a builder.
func (i *item) add(into *snapshot.Builder) {
	for _, o := range i.held.Objects {
		into.AddObject(o)
	}
	for _, p := range i.held.Pods {
		into.AddPod(p)
	}
	for _, e := range i.held.Slices {
		into.AddSlice(e)
	}
	for _, c := range i.held.Coverage {
		into.Cover(c)
	}
}

// items is a page of a list: one item that holds all of it.
type items struct {
	metav1.ListMeta
	Items []runtime.Object
}

func (*items) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }
func (l *items) DeepCopyObject() runtime.Object { return l }

func (s *source) listWatch() cache.ListerWatcher {
	return unstreamed{&cache.ListWatch{ListWithContextFunc: s.list, WatchFuncWithContext: s.watch}}
}

// unstreamed asks for lists page by page (client-go util/watchlist/watch_list.go): they
// are decoded while they arrive, and servers before 1.32 have no other.
type unstreamed struct{ *cache.ListWatch }

// IsWatchListSemanticsUnSupported is what client-go asks.
func (unstreamed) IsWatchListSemanticsUnSupported() bool { return true }

func (s *source) list(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	params := map[string]string{"fieldSelector": s.selector(), "continue": o.Continue, "resourceVersion": o.ResourceVersion, "resourceVersionMatch": string(o.ResourceVersionMatch)}
	if o.Limit > 0 {
		params["limit"] = strconv.FormatInt(o.Limit, 10)
	}
	maps.DeleteFunc(params, func(_, v string) bool { return v == "" })
	r := &reader{Options: s.Options, client: s.client}
	l := &listing{reader: r, target: s.target, part: new(snapshot.Builder)}
	res, err := l.request(ctx, s.at(), params)
	if err == nil && !l.isList(res) {
		err = fmt.Errorf("the answer is no list of %s", s.target.resource)
	}
	if s.away = apierrors.IsForbidden(err) && s.homeless(ctx); s.away {
		return &items{ListMeta: metav1.ListMeta{ResourceVersion: "0"}}, nil
	}
	if err != nil {
		if ctx.Err() == nil && !apierrors.IsResourceExpired(err) {
			s.to.Cover(s.part, coverOf(s.part, faultOf(err)))
		}
		return nil, err
	}
	held := l.part.Snapshot()
	unlinedAll(held)
	return &items{metav1.ListMeta{ResourceVersion: res.Version, Continue: res.Continue}, []runtime.Object{&item{held: held}}}, nil
}

// unlinedAll takes the lines of a stream away: they say nothing.
func unlinedAll(s *snapshot.Snapshot) {
	for _, o := range s.Objects {
		o.Line = 0
		unlined(&o.Root)
	}
	for i := range s.Pods {
		s.Pods[i].Line = 0
	}
	for i := range s.Slices {
		s.Slices[i].Line = 0
	}
	for i := range s.Coverage {
		s.Coverage[i].Line = 0
	}
}

// homeless reports whether the namespace of a part is not there: nothing can stand in it then.
// An apiserver says "forbidden" of that, too, since no Role can be there either (kubernetes
// staging/src/k8s.io/apiserver pkg/endpoints/filters/authorization.go: before the storage).
func (s *source) homeless(ctx context.Context) bool {
	ns, _, _ := strings.Cut(s.part.Name, "/")
	if ns == "" {
		return false
	}
	return apierrors.IsNotFound(s.client.Get().AbsPath("/api/v1/namespaces", ns).Do(ctx).Error())
}

// homelessFor is how long a namespace that is not there is left alone.
const homelessFor = time.Minute

func (s *source) watch(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
	if s.away { // listed again, then
		select {
		case <-ctx.Done():
		case <-time.After(cmp.Or(s.Rediscover, homelessFor)):
		}
		return nil, apierrors.NewResourceExpired("the namespace was not there")
	}
	req := s.client.Get().AbsPath(s.at()).SetHeader("Accept", "application/json").
		Param("watch", "1").Param("allowWatchBookmarks", strconv.FormatBool(o.AllowWatchBookmarks)).Param("resourceVersion", o.ResourceVersion)
	if f := s.selector(); f != "" {
		req.Param("fieldSelector", f)
	}
	if o.TimeoutSeconds != nil {
		req.Param("timeoutSeconds", strconv.FormatInt(*o.TimeoutSeconds, 10)).Timeout(time.Duration(*o.TimeoutSeconds+30) * time.Second)
	}
	body, err := req.Stream(ctx)
	if err != nil {
		return nil, err
	}
	return apiwatch.NewStreamWatcher(&events{source: s, body: body, in: json.NewDecoder(body)}, reporter{}), nil
}

// events decodes a watch's stream. It implements watch.Decoder.
type events struct {
	*source
	body io.ReadCloser
	in   *json.Decoder
}

// Decode implements watch.Decoder.
func (e *events) Decode() (apiwatch.EventType, runtime.Object, error) {
	var frame struct {
		Type   apiwatch.EventType `json:"type"`
		Object json.RawMessage    `json:"object"`
	}
	if err := e.in.Decode(&frame); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.ErrUnexpectedEOF
		}
		return "", nil, err
	}
	if frame.Type == apiwatch.Error {
		status := &metav1.Status{}
		if err := json.Unmarshal(frame.Object, status); err != nil {
			return "", nil, fmt.Errorf("watch %s: %w", e.target.resource, err)
		}
		return apiwatch.Error, status, nil
	}
	i, err := e.item(frame.Object)
	return frame.Type, i, err
}

func (e *events) item(text []byte) (*item, error) {
	named, err := document.NameOf(text)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", e.target.resource, err)
	}
	into := new(snapshot.Builder)
	o, faults := document.Reading{Reads: e.Reads}.Object(text)
	if o != nil {
		into.Add(o)
	}
	for _, f := range faults {
		into.Cover(f)
	}
	held := into.Snapshot()
	unlinedAll(held)
	return &item{metav1.ObjectMeta{Namespace: named.Namespace, Name: named.Name, ResourceVersion: named.Version}, held}, nil
}

// Close implements watch.Decoder.
func (e *events) Close() { _ = e.body.Close() }

// reporter makes a watch's error an object.
type reporter struct{}

// AsObject implements watch.Reporter.
func (reporter) AsObject(err error) runtime.Object {
	status := apierrors.NewInternalError(err).Status()
	return &status
}
