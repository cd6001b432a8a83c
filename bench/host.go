// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

// host is what an apiserver of tests is started for here: an apiserver.TB.
type host struct {
	ctx      context.Context
	temp     string
	cleanups []func()
}

// failure is how Fatalf does not return.
type failure struct{ error }

// using gives a host, and ends what was started for it.
func using(do func(*host) error) (err error) {
	temp, err := os.MkdirTemp("", "whohas-bench-*")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &host{ctx: ctx, temp: temp}
	defer func() {
		if p := recover(); p != nil {
			f, ok := p.(failure)
			if !ok {
				panic(p)
			}
			err = f.error
		}
		cancel()
		for _, end := range slices.Backward(h.cleanups) {
			end()
		}
		err = errors.Join(err, os.RemoveAll(temp))
	}()
	return do(h)
}

func (h *host) Helper()                     {}
func (h *host) Context() context.Context    { return h.ctx }
func (h *host) Cleanup(f func())            { h.cleanups = append(h.cleanups, f) }
func (h *host) Logf(f string, args ...any)  { saying(f, args...) }
func (h *host) Skipf(f string, args ...any) { h.Fatalf(f, args...) }

func (h *host) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func (h *host) TempDir() string {
	dir, err := os.MkdirTemp(h.temp, "*")
	if err != nil {
		h.Fatalf("make a folder: %v", err)
	}
	return dir
}
