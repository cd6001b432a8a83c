// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"whohas/guard/server"
)

// admissionConfiguration has an apiserver show a certificate to a webhook, as
// docs/guard-install.md says.
const admissionConfiguration = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: ValidatingAdmissionWebhook
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: %s
`

const webhookKubeconfig = `apiVersion: v1
kind: Config
users:
- name: %q
  user: {client-certificate: %s, client-key: %s}
`

// introduce gives the apiserver a certificate, and the guard what it is known by; it
// returns the apiserver's flags.
func (g *guarded) introduce() []string {
	g.t.Helper()
	dir := g.t.TempDir()
	authority, key := signed(g.t, dir, "ca", "whohas-guard-clients", nil, nil)
	signed(g.t, dir, "client", "kube-apiserver", authority, key)
	signed(g.t, dir, "other", "somebody", authority, key)
	at := func(name string) string { return filepath.Join(dir, name) }
	put(g.t, at("kubeconfig"), fmt.Sprintf(webhookKubeconfig, "localhost:"+g.port(), at("client.crt"), at("client.key")))
	put(g.t, at("admission.yaml"), fmt.Sprintf(admissionConfiguration, at("kubeconfig")))
	g.callers = server.Callers{CA: at("ca.crt"), Names: []string{"kube-apiserver"}, Demand: true}
	return []string{"--admission-control-config-file=" + at("admission.yaml")}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// signed writes a certificate and its key; without an authority it is one.
func signed(t *testing.T, dir, name, common string, by *x509.Certificate, byKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: common}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if by == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		by, byKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, name+".crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	put(t, filepath.Join(dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// onlyKnown: a review by somebody else is not answered, with no certificate or with another
// that the same authority has signed.
func onlyKnown(t *testing.T, g *guarded) {
	other, err := tls.LoadX509KeyPair(strings.Replace(g.callers.CA, "ca.crt", "other.crt", 1), strings.Replace(g.callers.CA, "ca.crt", "other.key", 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		certs []tls.Certificate
		says  string
	}{"no certificate": {nil, "certificate required"}, "somebody's": {[]tls.Certificate{other}, "401"}} {
		client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: test.certs}}}
		res, err := client.Post("https://localhost:"+g.port()+"/validate", "application/json", strings.NewReader("{}"))
		got := fmt.Sprint(err)
		if err == nil {
			got = res.Status
			res.Body.Close()
		}
		if !strings.Contains(got, test.says) {
			t.Errorf("%s: %s, want %s", name, got, test.says)
		}
	}
	m := g.get(g.metrics, "/metrics")
	for _, why := range []string{"unsaid", "handshake"} {
		if !regexp.MustCompile(`whohas_guard_connections_turned_away_total\{reason="` + why + `"\} [1-9]`).MatchString(m) {
			t.Errorf("the metric does not count %s", why)
		}
	}
}

// TestCallers: what nobody can be known by is an error at the beginning.
func TestCallers(t *testing.T) {
	dir := t.TempDir()
	signed(t, dir, "ca", "x", nil, nil)
	put(t, filepath.Join(dir, "empty"), "\n")
	ca, empty, none := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "empty"), filepath.Join(dir, "none")
	for says, c := range map[string]server.Callers{
		"without a client's name":        {CA: ca},
		"without the client's authority": {Names: []string{"a"}},
		"nothing says by what":           {Demand: true},
		"no such file":                   {CA: none, Names: []string{"a"}},
		"it holds no certificate":        {CA: empty, Names: []string{"a"}},
		"the clients' token":             {Token: none},
		"it is empty":                    {Token: empty},
	} {
		err := server.Run(t.Context(), server.Options{Listen: "127.0.0.1:0", Callers: c})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", c, err, says)
		}
	}
}
