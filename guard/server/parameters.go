// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"whohas/check"
	"whohas/guard/audit"
	"whohas/guard/policy"
	"whohas/guard/watch"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// parameters keeps the ConfigMap by which the policy's map-param form knows whose an
// address is.
type parameters struct {
	client    client.Client
	watch     *watch.Watch
	namespace string
	name      string
}

// Publish implements audit.Publisher. Where the map is not there, the policy is
// installed in another form: nothing is made.
func (p *parameters) Publish(ctx context.Context, _ *audit.Round) error {
	var there core.ConfigMap
	if err := p.client.Get(ctx, types.NamespacedName{Namespace: p.namespace, Name: p.name}, &there); err != nil {
		return client.IgnoreNotFound(err)
	}
	var made policy.Manifest
	var err error
	p.watch.Look(func(in check.Input) {
		made, err = policy.Make(policy.Input{Claims: in.View, Facts: in.Facts, Rules: in.Rules}, policy.Options{Form: policy.MapParam, Namespace: p.namespace})
	})
	switch {
	case errors.Is(err, policy.ErrMode), errors.Is(err, policy.ErrEmpty):
		return nil // what is there stays: it was true when it was written
	case err != nil:
		return fmt.Errorf("make the policy's parameters: %w", err)
	case maps.Equal(there.Data, made.Addresses.Data):
		return nil
	}
	before := there.DeepCopy()
	there.Data = made.Addresses.Data
	if err := p.client.Patch(ctx, &there, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("write ConfigMap %s/%s: %w", p.namespace, p.name, err)
	}
	return nil
}
