// SPDX-License-Identifier: Apache-2.0

package live

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBounded: an answer that never ends does, with an error; one that is as long as
// it may be is read whole.
func TestBounded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fault" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		n := 1 << 30
		if r.URL.Path == "/just" {
			n = 2 << 20
		}
		for text := strings.Repeat("x", 1<<16); n > 0; n -= len(text) {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	for _, tt := range []struct {
		path string
		most int64
		size int
		want string
	}{
		{"/just", 2<<20 + 1, 2 << 20, ""},
		{"/endless", 2 << 20, 2 << 20, "answer is larger than 2 MiB"},
		{"/fault", 2 << 20, 1 << 20, "answer is larger than 1 MiB"},
		{"/fault", 0, 1 << 20, "answer is larger than 1 MiB"},
	} {
		client := http.Client{Transport: Bounded(tt.most)(http.DefaultTransport)}
		res, err := client.Get(s.URL + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if len(text) != tt.size || (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%s: %d bytes, %v; want %d, %q", tt.path, len(text), err, tt.size, tt.want)
		}
	}
}
