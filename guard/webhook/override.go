// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"whohas/snapshot"

	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// The permission by which somebody may excuse findings: those who may edit a Service
// must not be able to excuse themselves.
const (
	OverrideGroup    = "whohas.io"
	OverrideResource = "claims"
	OverrideVerb     = "override"
)

// overrideLimit bounds the question: the apiserver waits for the answer. An answer is kept
// for a while, so that who asks again and again costs the apiserver no more; a no not so
// long, since somebody may just have been given the permission.
const (
	overrideLimit = time.Second
	yesKept       = 10 * time.Second
	noKept        = 2 * time.Second
	overridesKept = 1000
)

// Overrides asks the apiserver whether a user has the permission in an object's
// namespace, or in the whole cluster for an object without one. An answer may be ten
// seconds old.
func Overrides(client authorizationclient.SubjectAccessReviewInterface) func(context.Context, authentication.UserInfo, snapshot.Ref) (bool, error) {
	kept := cache.NewLRUExpireCache(overridesKept)
	return func(ctx context.Context, user authentication.UserInfo, on snapshot.Ref) (bool, error) {
		key, err := json.Marshal(struct {
			User      authentication.UserInfo
			Namespace string
		}{user, on.Namespace})
		if err != nil {
			return false, fmt.Errorf("review access: %w", err)
		}
		asked := sha256.Sum256(key)
		if may, ok := kept.Get(asked); ok {
			return may.(bool), nil
		}
		ctx, cancel := context.WithTimeout(ctx, overrideLimit)
		defer cancel()
		extra := map[string]authorization.ExtraValue{}
		for k, v := range user.Extra {
			extra[k] = authorization.ExtraValue(v)
		}
		review, err := client.Create(ctx, &authorization.SubjectAccessReview{Spec: authorization.SubjectAccessReviewSpec{
			User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
			ResourceAttributes: &authorization.ResourceAttributes{Namespace: on.Namespace, Verb: OverrideVerb, Group: OverrideGroup, Resource: OverrideResource},
		}}, metav1.CreateOptions{})
		if err != nil {
			return false, fmt.Errorf("review access: %w", err)
		}
		may := review.Status.Allowed && !review.Status.Denied
		kept.Add(asked, may, map[bool]time.Duration{true: yesKept, false: noKept}[may])
		return may, nil
	}
}
