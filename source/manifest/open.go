// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"syscall"
	"time"
)

// urlTimeout bounds the whole of a download.
const urlTimeout = 30 * time.Second

// open opens a source without waiting longer than ctx: a FIFO opens when
// somebody writes to it.
func open(ctx context.Context, s source) (io.ReadCloser, error) {
	type opened struct {
		in  io.ReadCloser
		err error
	}
	done := make(chan opened, 1)
	go func() {
		in, err := s.open(ctx)
		done <- opened{in, err}
	}()
	select {
	case o := <-done:
		return o.in, o.err
	case <-ctx.Done():
		go func() { // it may open yet
			if o := <-done; o.err == nil {
				o.in.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

func onDisk(path string) opener {
	return func(context.Context) (io.ReadCloser, error) { return os.Open(path) } // a pipe, too
}

// get downloads a URL.
func get(url string) opener {
	return func(ctx context.Context) (io.ReadCloser, error) {
		ctx, cancel := context.WithTimeout(ctx, urlTimeout)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			cancel()
			return nil, errors.New("not a URL") // the error has parts of it, which may be a password
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			cancel()
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			cancel()
			response.Body.Close()
			return nil, fmt.Errorf("server answers %s", response.Status)
		}
		return &body{response.Body, cancel}, nil
	}
}

// body ends the download's time limit when it is closed.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// reason says in a few words why something cannot be read; the name of the file
// stands beside it.
func reason(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.Is(err, context.DeadlineExceeded):
		return "not read within the time limit"
	case errors.Is(err, context.Canceled):
		return "not read: interrupted"
	case errors.Is(err, syscall.ENOTDIR):
		return "no such file: a part of the path is no directory"
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}
