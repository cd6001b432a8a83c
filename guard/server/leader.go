// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leading lets one of the replicas do what only one shall. The manager's own election
// ends the process when the Lease is lost, as when the apiserver is away for ten
// seconds, and the register with it: other apiservers would ask a guard that knows
// nothing. This one only ends what the leader does.
//
// It counts time as it passes here and compares no clocks (client-go
// tools/leaderelection/leaderelection.go, v0.37): a step of the clock moves no Lease.
// For a while there can still be two leaders; what they write is the same.
type leading struct {
	clients          kubernetes.Interface
	namespace, lease string
	log              *slog.Logger
	lost             func() // told after this process has been the leader
}

// How long a leader may be silent before another takes its place, and how long it
// believes itself to be one without an answer. As in controller-runtime.
const (
	leaseLasts   = 15 * time.Second
	leaseRenewed = 10 * time.Second
	leaseRetried = 2 * time.Second
)

// run does the leader's work whenever this process is the leader, until ctx is over.
func (l *leading) run(ctx context.Context, work func(context.Context) error) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, l.namespace, l.lease, l.clients.CoreV1(), l.clients.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())})
	if err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	for ctx.Err() == nil {
		if err := l.once(ctx, lock, work); err != nil {
			return err
		}
	}
	return nil
}

// once waits to be the leader, works, and returns when it is over and nothing of the
// work runs any more.
func (l *leading) once(ctx context.Context, lock resourcelock.Interface, work func(context.Context) error) error {
	var begun atomic.Bool
	done := make(chan error, 1)
	e, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, Name: l.lease, LeaseDuration: leaseLasts, RenewDeadline: leaseRenewed, RetryPeriod: leaseRetried, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				begun.Store(true)
				l.log.Info("this replica is the leader")
				done <- work(ctx)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	e.Run(ctx)
	if ctx.Err() != nil && !begun.Load() {
		return nil // it never was the leader
	}
	err = <-done
	l.lost()
	l.log.Info("this replica is not the leader any more")
	return err
}
