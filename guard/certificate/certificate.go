// SPDX-License-Identifier: Apache-2.0

// Package certificate makes the certificate that the guard's webhook shows, and writes its
// authority into the webhook's configuration. The guard itself has no right to do that:
// whoever may change that configuration sees, and stops, every write of the cluster.
package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/retry"
)

// Options say what the certificate is for. Client, Namespace, Secret, Webhook and one name
// must be given; Secret and Webhook must be there.
type Options struct {
	Client    kubernetes.Interface
	Namespace string
	Secret    string   // which holds it: tls.crt, tls.key, ca.crt
	Webhook   string   // the ValidatingWebhookConfiguration
	Names     []string // by which apiservers reach the webhook
	Renew     time.Duration
	Now       time.Time // zero: the clock's
}

const (
	age = 365 * 24 * time.Hour
	// DefaultRenew is how long before its end a certificate is renewed.
	DefaultRenew = 90 * 24 * time.Hour
)

// Result is what was done.
type Result struct {
	Made    bool      // a new certificate
	Written bool      // the webhook's authorities
	Until   time.Time // when the certificate ends
}

// Ensure makes a certificate where there is none that is good for as long as Renew, and
// sees that the webhook names its authority. The key of the authority is not kept: a
// renewed certificate has a new one, which the webhook names beside the old one before the
// Secret is changed, so that both are good while Pods still show the old certificate.
func Ensure(ctx context.Context, o Options) (Result, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	secrets := o.Client.CoreV1().Secrets(o.Namespace)
	secret, err := secrets.Get(ctx, o.Secret, metav1.GetOptions{})
	if err != nil {
		return Result{}, fmt.Errorf("read the certificate: %w", err)
	}
	pair := pairOf(secret)
	leaf := pair.leaf(o.Names)
	r := Result{}
	old := pair.authority
	if leaf == nil || leaf.NotAfter.Sub(o.Now) < o.Renew || o.Now.Before(leaf.NotBefore) {
		if pair, err = o.make(); err != nil {
			return r, err
		}
		leaf, r.Made = pair.leaf(o.Names), true
	}
	r.Until = leaf.NotAfter
	keep := [][]byte{pair.authority}
	if r.Made && old != nil {
		keep = append(keep, old)
	}
	if r.Written, err = o.announce(ctx, keep); err != nil || !r.Made {
		return r, err
	}
	secret.Data = map[string][]byte{"tls.crt": pair.cert, "tls.key": pair.key, "ca.crt": pair.authority}
	if _, err := secrets.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return r, fmt.Errorf("keep the certificate: %w", err)
	}
	return r, nil
}

// pair is a certificate as it is kept.
type pair struct{ cert, key, authority []byte }

func pairOf(s *core.Secret) pair {
	return pair{cert: s.Data["tls.crt"], key: s.Data["tls.key"], authority: s.Data["ca.crt"]}
}

// leaf is the certificate, if all of the pair fits together and is for the names; else nil.
func (p pair) leaf(names []string) *x509.Certificate {
	loaded, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		return nil
	}
	leaf, roots := loaded.Leaf, x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.authority) {
		return nil
	}
	for _, name := range names {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: leaf.NotBefore.Add(time.Minute)}); err != nil {
			return nil
		}
	}
	return leaf
}

func (o Options) make() (pair, error) {
	text, key, err := certutil.GenerateSelfSignedCertKeyWithOptions(certutil.SelfSignedCertKeyOptions{Host: o.Names[0], AlternateDNS: o.Names[1:], MaxAge: age})
	if err != nil {
		return pair{}, fmt.Errorf("make a certificate: %w", err)
	}
	first, rest := pem.Decode(text)
	p := pair{cert: pem.EncodeToMemory(first), key: key, authority: bytes.TrimSpace(rest)}
	p.authority = append(p.authority, '\n')
	if p.leaf(o.Names) == nil {
		return pair{}, fmt.Errorf("make a certificate: it is not for %v", o.Names)
	}
	return p, nil
}

// announce writes authorities into the webhooks, where they do not stand there.
func (o Options) announce(ctx context.Context, authorities [][]byte) (written bool, err error) {
	hooks := o.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	bundle := bytes.Join(authorities, nil)
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		written = false
		c, err := hooks.Get(ctx, o.Webhook, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for i := range c.Webhooks {
			if has := &c.Webhooks[i].ClientConfig.CABundle; !slices.Equal(*has, bundle) && !(len(authorities) == 1 && bytes.Contains(*has, authorities[0])) {
				*has, written = bundle, true
			}
		}
		if written {
			_, err = hooks.Update(ctx, c, metav1.UpdateOptions{})
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("write the authority into the webhook %s: %w", o.Webhook, err)
	}
	return written, nil
}
