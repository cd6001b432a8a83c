// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"time"
)

// credentials are a cluster's: one certificate that the apiserver serves and
// that everybody trusts, and a token for each user. They live and die with the
// kernel.
type credentials struct {
	certificate, key []byte // PEM
	tokens           map[string]string
}

// users are those the apiserver knows, with their groups. The names are those
// that Kubernetes' own bindings and the node authorizer expect.
func users(nodes []string) map[string]string {
	u := map[string]string{
		"lab": "system:masters", "system:kube-proxy": "", "system:kube-controller-manager": "",
	}
	for _, n := range nodes {
		u["system:node:"+n] = "system:nodes"
	}
	return u
}

func newCredentials(addrs []netip.Addr, names map[string]string) (*credentials, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab"}, DNSNames: []string{"kubernetes", "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, a := range addrs {
		template.IPAddresses = append(template.IPAddresses, a.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	c := &credentials{
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
		tokens:      map[string]string{},
	}
	for name := range names {
		c.tokens[name] = rand.Text()
	}
	return c, nil
}

// tokenFile is what kube-apiserver's --token-auth-file takes.
func (c *credentials) tokenFile(names map[string]string) string {
	var b strings.Builder
	for name, groups := range names {
		fmt.Fprintf(&b, "%s,%s,%s,%q\n", c.tokens[name], name, name, groups)
	}
	return b.String()
}

// kubeconfig lets a user in at a server, which is ADDRESS:PORT.
func (c *credentials) kubeconfig(user, server string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: https://%s
    certificate-authority-data: %s
users:
- name: lab
  user:
    token: %s
contexts:
- name: lab
  context: {cluster: lab, user: lab}
current-context: lab
`, server, base64.StdEncoding.EncodeToString(c.certificate), c.tokens[user])
}
