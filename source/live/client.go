// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

const dialTimeout = 5 * time.Second

// connect makes the two clients, on one pool of connections. It talks to
// nobody yet.
func connect(given *rest.Config) (client, finder *rest.RESTClient, err error) {
	if given == nil {
		return nil, nil, errors.New("no configuration")
	}
	c := configured(given)
	httpClient, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, nil, err
	}
	asking, finding := *httpClient, *httpClient
	asking.Transport, finding.Transport = Bounded(0)(transportOf(httpClient)), Bounded(mostDiscovery)(transportOf(httpClient))
	client, err = rest.UnversionedRESTClientForConfigAndClient(c, &asking)
	if err != nil {
		return nil, nil, err
	}
	finder, err = rest.UnversionedRESTClientForConfigAndClient(c, &finding)
	return client, finder, err
}

// transportOf is the default one where client-go needs none of its own (rest.HTTPClientFor).
func transportOf(c *http.Client) http.RoundTripper {
	if c.Transport == nil {
		return http.DefaultTransport
	}
	return c.Transport
}

func configured(given *rest.Config) *rest.Config {
	c := rest.CopyConfig(given)
	// The server has fair queues of its own; 5 requests a second, the client's
	// default, make a large cluster take minutes.
	c.QPS, c.RateLimiter = -1, nil
	// A deprecated API is what some clusters serve; it is no news to the user.
	c.WarningHandler, c.WarningHandlerWithContext = rest.NoWarnings{}, nil
	c.NegotiatedSerializer = statuses()
	c.ContentType, c.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	if c.UserAgent == "" {
		c.UserAgent = "whohas/devel"
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	return c
}

// statuses decodes a server's errors; objects are not decoded by client-go.
func statuses() runtime.NegotiatedSerializer {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return serializer.NewCodecFactory(scheme).WithoutConversion()
}

// quiet keeps client-go from logging what the coverage tells.
func quiet(ctx context.Context) context.Context { return klog.NewContext(ctx, klog.Logger{}) }
