// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
)

// placement looks whether the guard may fail closed. With failurePolicy Fail nobody can
// make a Service while no replica answers: one lost node or one drain must not take all
// of them. It tells; it never stands in the way of being ready, since a guard that
// answers is better than none. The leader alone looks.
type placement struct {
	clients   kubernetes.Interface
	namespace string
	recorder  events.EventRecorder
	log       *slog.Logger
	unsafe    func(bool) // the metric
	every     time.Duration

	told string // what was said last; "": all is well
}

const (
	// placementEvery is how soon a change is seen: a drain takes longer.
	placementEvery = time.Minute
	// leastReady is what is left of, when one node is lost, something that answers.
	leastReady = 2
	// SwitchOff is what ends it all in an emergency.
	SwitchOff = "kubectl delete validatingwebhookconfiguration " + Name
)

// own are the labels of the guard's Pods (deploy/base/deployment.yaml).
func own() labels.Set {
	return labels.Set{"app.kubernetes.io/name": "whohas", "app.kubernetes.io/component": "guard"}
}

// run looks now and again until ctx is over.
func (p *placement) run(ctx context.Context) {
	for {
		p.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(p.every):
		}
	}
}

// look says what is missing when that has changed. What it could not read it does not
// judge.
func (p *placement) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	missing, err := p.missing(ctx)
	if err != nil {
		p.log.Warn("not known whether the guard may fail closed", "error", err)
		return
	}
	p.unsafe(len(missing) > 0)
	now := strings.Join(missing, "; ")
	if now == p.told {
		return
	}
	on := &core.ObjectReference{APIVersion: admissionregistration.SchemeGroupVersion.String(), Kind: "ValidatingWebhookConfiguration", Name: Name}
	if p.told = now; now == "" {
		p.log.Info("failurePolicy is Fail, and nothing is missing for it any more")
		p.recorder.Eventf(on, nil, core.EventTypeNormal, "FailClosedSafe", "Placement", "nothing is missing any more")
		return
	}
	p.log.Error("failurePolicy is Fail, and one lost node can stop all changes of addresses", "missing", now, "off", SwitchOff)
	p.recorder.Eventf(on, nil, core.EventTypeWarning, "FailClosedUnsafe", "Placement", "failurePolicy is Fail, and %s. Off: %s", now, SwitchOff)
}

// missing is what failing closed wants and is not there; nothing if it is not asked for.
func (p *placement) missing(ctx context.Context) ([]string, error) {
	closed, err := p.failsClosed(ctx)
	if err != nil || !closed {
		return nil, err
	}
	pods, err := p.clients.CoreV1().Pods(p.namespace).List(ctx, metav1.ListOptions{LabelSelector: own().String()})
	if err != nil {
		return nil, err
	}
	var out []string
	ready, nodes := 0, map[string]bool{}
	for i := range pods.Items {
		if isUp(&pods.Items[i]) {
			ready++
			nodes[pods.Items[i].Spec.NodeName] = true
		}
	}
	switch {
	case ready < leastReady:
		out = append(out, fmt.Sprintf("%d of its replicas are ready, %d are wanted", ready, leastReady))
	case len(nodes) < leastReady:
		out = append(out, "all ready replicas are on one node")
	}
	budgets, err := p.clients.PolicyV1().PodDisruptionBudgets(p.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range budgets.Items {
		s, err := metav1.LabelSelectorAsSelector(budgets.Items[i].Spec.Selector)
		if err == nil && s.Matches(own()) {
			return out, nil
		}
	}
	return append(out, "there is no PodDisruptionBudget for them"), nil
}

func (p *placement) failsClosed(ctx context.Context) (bool, error) {
	c, err := p.clients.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(ctx, Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for i := range c.Webhooks {
		if f := c.Webhooks[i].FailurePolicy; f != nil && *f == admissionregistration.Fail {
			return true, nil
		}
	}
	return false, nil
}

func isUp(p *core.Pod) bool {
	if p.DeletionTimestamp != nil {
		return false
	}
	for _, c := range p.Status.Conditions {
		if c.Type == core.PodReady {
			return c.Status == core.ConditionTrue
		}
	}
	return false
}
