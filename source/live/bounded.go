// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"io"
	"net/http"
)

// Client-go reads answers whole, but for those that are streamed: an answer that never
// ends would fill the memory. Discovery of a cluster with hundreds of CRDs is some
// hundred KiB.
const (
	mostDiscovery = 32 << 20
	mostFault     = 1 << 20 // of an answer that is an error
)

// Bounded has every answer end, with an error, behind so many bytes, and one that is
// an error behind 1 MiB; most 0 bounds errors only.
func Bounded(most int64) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return bounded{next, most} }
}

type bounded struct {
	next http.RoundTripper
	most int64
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err != nil || res.StatusCode == http.StatusSwitchingProtocols {
		return res, err
	}
	most := b.most
	if res.StatusCode >= http.StatusBadRequest {
		most = mostFault
	}
	if most > 0 {
		res.Body = &boundedBody{ReadCloser: res.Body, left: most, most: most}
	}
	return res, nil
}

type boundedBody struct {
	io.ReadCloser
	left, most int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("answer is larger than %d MiB", b.most>>20)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
