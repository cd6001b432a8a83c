// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"whohas/claimants"
	"whohas/cluster"
	"whohas/lab"
	"whohas/snapshot"
	"whohas/source/bundle"
	"whohas/source/host"
	"whohas/source/live"
)

// recordLimit bounds the reading of the whole testbed.
const recordLimit = 5 * time.Minute

// settleLimit bounds the wait for kube-proxies that are at work.
const settleLimit = 30 * time.Second

// settle waits until no kube-proxy is in the middle of its work: what is seen then
// would be another thing in each run.
func (x *executor) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for _, h := range x.testbed.Hosts {
		for x.cluster != nil && !h.Pod && x.cluster.Busy(ctx, h.Name) && pause(ctx, 5*pollInterval) == nil {
		}
	}
}

// record reads the kernel of every host and the cluster's objects with the
// product's own sources, into a snapshot that the product reads.
func (x *executor) record(ctx context.Context, s lab.Step) error {
	name := s.Args[0]
	ctx, cancel := context.WithTimeout(ctx, recordLimit)
	defer cancel()
	x.settle(ctx)
	var into snapshot.Builder
	for _, h := range x.testbed.Hosts {
		if h.Pod {
			continue
		}
		err := h.Do(func() error {
			read, coverage := host.Read(ctx, host.Options{Name: h.Name})
			into.AddHost(read)
			for _, c := range coverage {
				into.Cover(c)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if x.cluster != nil {
		keep, err := snapshot.NewReads(append(claimants.Reads(), cluster.Reads()...)...)
		if err != nil {
			return fmt.Errorf("record %s: %w", name, err)
		}
		if err := live.Read(ctx, live.Options{Config: x.cluster.Config, Reads: keep}, &into); err != nil {
			return fmt.Errorf("record %s: %w", name, err)
		}
	}
	var file bytes.Buffer
	if err := bundle.Write(&file, into.Snapshot(), "whohas lab"); err != nil {
		return fmt.Errorf("record %s: %w", name, err)
	}
	x.tell(lab.Event{Kind: lab.Did, Text: "record " + name})
	return x.bring(name+".snapshot", file.Bytes())
}
