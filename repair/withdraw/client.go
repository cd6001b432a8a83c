// SPDX-License-Identifier: Apache-2.0

package withdraw

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"

	"whohas/snapshot"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// fieldManager is how the API remembers who wrote.
const fieldManager = "whohas"

// client talks to one apiserver. Every request is bounded.
type client struct {
	rest     *rest.RESTClient
	server   string              // scheme, host and port: no user, no path
	versions map[string][]string // of the groups that were asked for
}

// connect talks to nobody yet.
func connect(given *rest.Config) (*client, error) {
	if given == nil {
		return nil, errors.New("no configuration")
	}
	c := configured(given)
	at, _, err := rest.DefaultServerUrlFor(c)
	if err != nil {
		return nil, errors.New("the server's address makes no sense") // it may hold a password
	}
	httpClient, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, err
	}
	r, err := rest.UnversionedRESTClientForConfigAndClient(c, httpClient)
	return &client{rest: r, server: at.Scheme + "://" + at.Host, versions: map[string][]string{"": {"v1"}}}, err
}

func configured(given *rest.Config) *rest.Config {
	c := rest.CopyConfig(given)
	c.QPS, c.RateLimiter = -1, nil // the few requests here need no pace
	c.WarningHandler, c.WarningHandlerWithContext = rest.NoWarnings{}, nil
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion() // of the server's errors
	c.ContentType, c.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	if c.UserAgent == "" {
		c.UserAgent = "whohas/devel"
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: requestTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	return c
}

// quiet keeps client-go from logging what is told here.
func quiet(ctx context.Context) context.Context { return klog.NewContext(ctx, klog.Logger{}) }

// place is an object as the API names it.
type place struct{ Group, Version, Resource, Kind, Namespace, Name string }

func (p place) ref() snapshot.Ref {
	return snapshot.Ref{Group: p.Group, Kind: p.Kind, Namespace: p.Namespace, Name: p.Name}
}

// path is the object's URL. A name that would lead elsewhere has none.
func (p place) path() (string, error) {
	for _, part := range []string{p.Group, p.Version, p.Resource, p.Namespace, p.Name} {
		if part == "." || part == ".." || strings.ContainsAny(part, "/%?#") {
			return "", fmt.Errorf("%q is no name of an object", clean(part))
		}
	}
	if p.Version == "" || p.Resource == "" || p.Name == "" {
		return "", fmt.Errorf("it is not known how the API calls %s", p.ref())
	}
	at := path.Join("/apis", p.Group, p.Version)
	if p.Group == "" {
		at = path.Join("/api", p.Version)
	}
	if p.Namespace != "" {
		at = path.Join(at, "namespaces", p.Namespace)
	}
	return path.Join(at, p.Resource, p.Name), nil
}

// find reads an object in the first version of its group that has it, the preferred
// one before all others: a kind need not be served in all of them.
func (c *client) find(ctx context.Context, kind snapshot.Kind, on snapshot.Ref) (place, any, error) {
	at := place{Group: kind.Group, Resource: kind.Resource, Kind: on.Kind, Namespace: on.Namespace, Name: on.Name}
	versions, err := c.versionsOf(ctx, kind.Group)
	for _, at.Version = range versions {
		var obj any
		if obj, err = c.read(ctx, at); err == nil || !apierrors.IsNotFound(err) {
			return at, obj, err
		}
	}
	return at, nil, err
}

func (c *client) versionsOf(ctx context.Context, group string) ([]string, error) {
	if versions, ok := c.versions[group]; ok {
		return versions, nil
	}
	if strings.ContainsAny(group, "/%?#") {
		return nil, fmt.Errorf("%q is no API group", clean(group))
	}
	text, err := c.get(ctx, "/apis/"+group, nil)
	if err != nil {
		return nil, err
	}
	var g metav1.APIGroup
	if err := json.Unmarshal(text, &g); err != nil || len(g.Versions) == 0 {
		return nil, errors.New("the answer is no API group")
	}
	versions := []string{g.PreferredVersion.Version}
	for _, v := range g.Versions {
		if v != g.PreferredVersion {
			versions = append(versions, v.Version)
		}
	}
	c.versions[group] = versions
	return versions, nil
}

func (c *client) read(ctx context.Context, at place) (any, error) {
	p, err := at.path()
	if err != nil {
		return nil, err
	}
	text, err := c.get(ctx, p, nil)
	if err != nil {
		return nil, err
	}
	obj, err := decode(text)
	if err != nil || uidOf(obj) == "" {
		return nil, fmt.Errorf("the answer is no %s", at.Kind)
	}
	return obj, nil
}

func (c *client) get(ctx context.Context, at string, params map[string]string) ([]byte, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	req := c.rest.Get().AbsPath(at)
	for k, v := range params {
		req.Param(k, v)
	}
	res := req.Do(ctx)
	if err := res.Error(); err != nil { // unlike Raw it reads what the server said
		return nil, cause(ctx, err)
	}
	return res.Raw()
}

func (c *client) patch(ctx context.Context, at place, subresource string, ops []op, dry bool) error {
	p, err := at.path()
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	// A patch is sent once: should a second one find the first one's work, its test
	// fails, and the failure says nothing.
	req := c.rest.Patch(types.JSONPatchType).MaxRetries(0).AbsPath(path.Join(p, subresource)).Param("fieldManager", fieldManager).Body([]byte(encoded(ops)))
	if dry {
		req.Param("dryRun", metav1.DryRunAll)
	}
	return cause(ctx, req.Do(ctx).Error())
}

// errNoAnswer is the end of a request's time.
var errNoAnswer = fmt.Errorf("no answer for %v", requestTimeout)

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
}

// cause is what ended a request, rather than what that led to.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// unanswered reports whether a request may have been done all the same: no answer
// came, or one that the server gave up (504).
func unanswered(err error) bool {
	return apierrors.ReasonForError(err) == metav1.StatusReasonUnknown || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsInternalError(err)
}

// message is what the server said, or what became of the request. The URL of a
// request is left out.
func message(err error) string {
	var status *apierrors.StatusError
	var request *url.Error
	switch {
	case errors.As(err, &status) && status.ErrStatus.Code >= 500:
		return clean(fmt.Sprintf("server error %d: %s", status.ErrStatus.Code, status.ErrStatus.Message))
	case errors.As(err, &status):
		return clean(status.ErrStatus.Message)
	case errors.As(err, &request):
		return clean(request.Err.Error())
	}
	return clean(err.Error())
}

func behind(text, mark string) string {
	if _, after, ok := strings.Cut(text, mark); ok {
		return after
	}
	return text
}

const maxDetail = 300

// clean makes one line of some length of a text that others wrote.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxDetail {
		return string(r[:maxDetail]) + "..."
	}
	return text
}
