// SPDX-License-Identifier: Apache-2.0

// Package server is the guard as a process in a cluster: the webhook, the register that
// it decides by, and, in one of its replicas, the audit and what that writes.
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"whohas/check"
	"whohas/guard"
	"whohas/guard/audit"
	"whohas/guard/watch"
	"whohas/guard/webhook"
	"whohas/source/live"

	"github.com/go-logr/logr"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsregistry "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Name is that of the webhook's configuration, of the report, and the field manager's.
const Name = "whohas-guard"

// Options are what the command line says. Config and Watch must be given.
type Options struct {
	Config *rest.Config
	Watch  watch.Options

	Listen        string // of the webhook: HOST:PORT
	MetricsListen string // "" or "0": none
	HealthListen  string

	Callers Callers // who is known

	Namespace string // the guard's own
	CertDir   string // where the certificate's Secret is mounted: tls.crt and tls.key

	PolicyConfigMap string // of the policy's map parameter; "": none is kept
	Reports         string // auto, openreports, policyreport or none
	Lease           string // of leader election; "": this process is the leader

	Thrifty func() (end func()) // as audit.Audit has it

	Log *slog.Logger
}

// shutdownLimit is how long requests under way may take when the process is told to end.
const shutdownLimit = 10 * time.Second

// Run serves until ctx is over, and then ends what is under way.
func Run(ctx context.Context, o Options) error {
	s, err := newServer(o)
	if err != nil {
		return err
	}
	defer s.metrics.end(metricsregistry.Registry)
	if err := s.add(); err != nil {
		return err
	}
	if err := s.manager.Start(ctx); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

type server struct {
	Options
	manager   manager.Manager
	watch     *watch.Watch
	metrics   *metrics
	front     *front
	certified chan struct{} // closed once there is a certificate
}

func newServer(o Options) (*server, error) {
	if err := cmp.Or(checkListen(o.Listen), o.Callers.validate()); err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(core.AddToScheme(scheme), admissionregistration.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	s := &server{Options: o, watch: watch.New(o.Watch), certified: make(chan struct{}), front: newFront(o.Listen, o.CertDir, o.Log)}
	limit := shutdownLimit
	var err error
	s.manager, err = manager.New(o.Config, manager.Options{
		Scheme: scheme, Logger: logr.FromSlogHandler(o.Log.Handler()),
		Controller:              config.Controller{SkipNameValidation: new(true)}, // one process may serve again
		Metrics:                 metricsserver.Options{BindAddress: orOff(o.MetricsListen)},
		HealthProbeBindAddress:  orOff(o.HealthListen),
		GracefulShutdownTimeout: &limit,
		Client:                  client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&core.Secret{}, &core.ConfigMap{}}}},
	})
	if err != nil {
		return nil, fmt.Errorf("make the manager: %w", err)
	}
	s.metrics = newMetrics(metricsregistry.Registry, s.watch, filepath.Join(o.CertDir, "tls.crt"))
	s.front.callers = o.Callers
	s.front.turned = func(why string) { s.metrics.turned.WithLabelValues(why).Inc() }
	return s, nil
}

func orOff(listen string) string {
	if listen == "" {
		return "0"
	}
	return listen
}

func checkListen(listen string) error {
	_, port, err := net.SplitHostPort(listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("listen %q: want HOST:PORT: %w", listen, err)
	}
	return nil
}

// add gives the manager everything that runs.
func (s *server) add() error {
	clients, err := kubernetes.NewForConfig(s.Config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	handler := s.handler(clients)
	return errors.Join(
		s.manager.Add(everywhere{func(ctx context.Context) error {
			return live.Follow(ctx, live.Options{Config: s.Config, Reads: s.Watch.Reads}, s.watch)
		}}),
		s.manager.Add(everywhere{func(ctx context.Context) error { s.watch.Infer(ctx); return nil }}),
		s.manager.Add(everywhere{func(ctx context.Context) error { return s.serve(ctx, handler) }}),
		s.addAudit(clients),
		s.manager.Add(everywhere{s.awaitCertificate}),
		s.manager.AddHealthzCheck("alive", func(*http.Request) error { return nil }),
		s.manager.AddReadyzCheck("register", s.ready),
	)
}

// everywhere is what a manager runs in every replica. It knows of no other: see lead.
type everywhere struct{ run func(context.Context) error }

// Start implements manager.Runnable.
func (e everywhere) Start(ctx context.Context) error { return e.run(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (everywhere) NeedLeaderElection() bool { return false }

// handler is the webhook.
func (s *server) handler(clients kubernetes.Interface) *webhook.Handler {
	recorder := s.manager.GetEventRecorder(Name)
	return webhook.New(webhook.Handler{
		Reads: s.Watch.Reads, Log: s.Log,
		Decide: func(r guard.Request) (d guard.Decision) {
			s.watch.Look(func(in check.Input) { d = guard.Decide(guard.State{Input: in, Suppressions: s.Watch.Suppressions}, r) })
			return d
		},
		Known:       func(r *http.Request) bool { return isKnown(r.Context()) },
		Ready:       func() bool { return isReady(s.watch) },
		MayOverride: webhook.Overrides(clients.AuthorizationV1().SubjectAccessReviews()),
		Answered: func(a webhook.Answered) {
			s.metrics.answered(a)
			if a.DryRun {
				return
			}
			for _, x := range a.Decision.Excused {
				recorder.Eventf(audit.Reference(a.Decision.Object), nil, core.EventTypeNormal, "Excused", "Admission", "%s is excused until %s, by %s: %s",
					x.Finding.Rule.ID, orEver(x.By.Until), a.User, x.By.Reason)
			}
		},
	})
}

func orEver(until string) string {
	if until == "" {
		return "somebody takes it away"
	}
	return until
}

// serve begins to serve the webhook once there is a certificate.
func (s *server) serve(ctx context.Context, handler http.Handler) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.certified:
	}
	return s.front.serve(ctx, handler)
}

// ready reports whether decisions can be made: the register is there, and a certificate.
func (s *server) ready(*http.Request) error {
	if !isReady(s.watch) {
		return errors.New("the register is not there yet")
	}
	select {
	case <-s.certified:
	default:
		return errors.New("there is no certificate yet")
	}
	return s.front.ready()
}

// awaitCertificate waits until the files are there.
func (s *server) awaitCertificate(ctx context.Context) error {
	for {
		if _, err := tls.LoadX509KeyPair(filepath.Join(s.CertDir, "tls.crt"), filepath.Join(s.CertDir, "tls.key")); err == nil {
			close(s.certified)
			<-ctx.Done()
			return nil
		} else if !errors.Is(err, os.ErrNotExist) {
			s.Log.Warn("certificate not usable", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// addAudit is for the leader alone.
func (s *server) addAudit(clients kubernetes.Interface) error {
	publishers := []audit.Publisher{s.metrics, &audit.Events{Recorder: s.manager.GetEventRecorder(Name), Dropped: func(n int) { s.metrics.dropped.Add(float64(n)) }}}
	if s.Reports != "none" {
		dyn, err := dynamic.NewForConfig(s.Config)
		if err != nil {
			return fmt.Errorf("connect to the cluster: %w", err)
		}
		reports, err := audit.NewReports(dyn, s.Reports, "whohas")
		if err != nil {
			return err
		}
		publishers = append(publishers, reports)
	}
	if s.PolicyConfigMap != "" {
		publishers = append(publishers, &parameters{client: s.manager.GetClient(), watch: s.watch, namespace: s.Namespace, name: s.PolicyConfigMap})
	}
	publishers = append(publishers, &tidy{})
	a := &audit.Audit{Watch: s.watch, Publishers: publishers, Log: s.Log, Thrifty: s.Thrifty}
	where := &placement{clients: clients, namespace: s.Namespace, recorder: s.manager.GetEventRecorder(Name), log: s.Log, every: placementEvery,
		unsafe: func(is bool) { s.metrics.unsafe.Set(number(is)) }}
	work := func(ctx context.Context) error {
		var beside sync.WaitGroup
		defer beside.Wait()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		beside.Go(func() { where.run(ctx) })
		return a.Run(ctx)
	}
	if s.Lease == "" {
		return s.manager.Add(everywhere{work})
	}
	l := &leading{clients: clients, namespace: s.Namespace, lease: s.Lease, log: s.Log, lost: s.metrics.forget}
	return s.manager.Add(everywhere{func(ctx context.Context) error { return l.run(ctx, work) }})
}
