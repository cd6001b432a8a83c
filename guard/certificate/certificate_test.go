// SPDX-License-Identifier: Apache-2.0

package certificate_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"whohas/guard/certificate"
)

// TestEnsure: a certificate is made, left alone, and renewed; while Pods show the old one
// the webhook names both authorities. The real apiserver takes it in guard/server TestServe.
func TestEnsure(t *testing.T) {
	client := fake.NewClientset(
		&core.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "whohas-system", Name: "cert"}},
		&admission.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "whohas-guard"}, Webhooks: []admission.ValidatingWebhook{{Name: "a"}, {Name: "b"}}})
	o := certificate.Options{Client: client, Namespace: "whohas-system", Secret: "cert", Webhook: "whohas-guard",
		Names: []string{"whohas-guard.whohas-system.svc", "localhost"}, Renew: certificate.DefaultRenew}
	ensure := func(made, written bool) (leaf *x509.Certificate, bundle []byte) {
		t.Helper()
		r, err := certificate.Ensure(context.Background(), o)
		if err != nil || r.Made != made || r.Written != written {
			t.Fatalf("%+v, %v: want made %v, written %v", r, err, made, written)
		}
		s, err := client.CoreV1().Secrets("whohas-system").Get(context.Background(), "cert", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(context.Background(), "whohas-guard", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Data) != 3 || !bytes.Equal(c.Webhooks[0].ClientConfig.CABundle, c.Webhooks[1].ClientConfig.CABundle) {
			t.Fatalf("%d entries, %+v", len(s.Data), c.Webhooks)
		}
		block, _ := pem.Decode(s.Data["tls.crt"])
		if leaf, err = x509.ParseCertificate(block.Bytes); err != nil {
			t.Fatal(err)
		}
		return leaf, c.Webhooks[0].ClientConfig.CABundle
	}
	trusts := func(bundle []byte, leaf *x509.Certificate) bool {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(bundle)
		_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "whohas-guard.whohas-system.svc"})
		return err == nil
	}
	first, bundle := ensure(true, true)
	if !trusts(bundle, first) || first.VerifyHostname("localhost") != nil || time.Until(first.NotAfter) < 360*24*time.Hour {
		t.Errorf("until %v for %v", first.NotAfter, first.DNSNames)
	}
	ensure(false, false)

	o.Now = time.Now().Add(300 * 24 * time.Hour)
	second, bundle := ensure(true, true)
	if !trusts(bundle, first) || !trusts(bundle, second) || second.Equal(first) {
		t.Error("while it is renewed both must be good")
	}
	o.Now = time.Time{}
	if _, again := ensure(false, false); !bytes.Equal(again, bundle) {
		t.Error("what is good is left alone")
	}

	o.Names = append(o.Names, "guard.example")
	third, bundle := ensure(true, true)
	if !trusts(bundle, third) || !trusts(bundle, second) || trusts(bundle, first) || third.VerifyHostname("guard.example") != nil {
		t.Errorf("another name: %v", third.DNSNames)
	}

	// Somebody has applied the configuration again, without an authority.
	c, _ := client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(context.Background(), "whohas-guard", metav1.GetOptions{})
	c.Webhooks[1].ClientConfig.CABundle, c.Webhooks[0].ClientConfig.CABundle = nil, nil
	if _, err := client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Update(context.Background(), c, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, bundle = ensure(false, true); !trusts(bundle, third) {
		t.Error("the authority is not written again")
	}
}
