// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"whohas/source/file"
)

// Callers say who is known: an apiserver that shows what its administrator gave it for
// its webhooks (AdmissionConfiguration's kubeConfigFile). The zero value knows nobody.
type Callers struct {
	CA     string   // a file of the authorities that certificates of clients are checked with; "": none is asked for
	Names  []string // of the certificates that count: common name, or DNS name; with a CA one at least
	Token  string   // a file with a token; "": none counts
	Demand bool     // who is not known is not answered
}

func (c Callers) validate() error {
	switch {
	case c.CA != "" && len(c.Names) == 0:
		return errors.New("a client's authority without a client's name: it has signed others' certificates, too")
	case c.CA == "" && len(c.Names) > 0:
		return errors.New("a client's name without the client's authority")
	case c.Demand && c.CA == "" && c.Token == "":
		return errors.New("clients are to be known, and nothing says by what")
	}
	return c.readable()
}

// readable: with a file that is not there every question would fail, or nobody be known.
func (c Callers) readable() error {
	if c.CA != "" {
		if _, err := c.pool(); err != nil {
			return err
		}
	}
	if c.Token != "" {
		if text, err := file.Read(c.Token, file.Small); err != nil {
			return fmt.Errorf("read the clients' token: %w", err)
		} else if strings.TrimSpace(string(text)) == "" {
			return fmt.Errorf("read the clients' token: %s: it is empty", c.Token)
		}
	}
	return nil
}

// config has certificates asked for. The authorities are read again with each connection:
// they are exchanged now and then.
func (c Callers) config(base *tls.Config) *tls.Config {
	if c.CA == "" {
		return base
	}
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, err := c.pool()
		if err != nil {
			return nil, err
		}
		asking := base.Clone()
		asking.GetConfigForClient, asking.ClientCAs, asking.ClientAuth = nil, pool, tls.VerifyClientCertIfGiven
		if c.Demand && c.Token == "" {
			asking.ClientAuth = tls.RequireAndVerifyClientCert
		}
		return asking, nil
	}
	return base
}

func (c Callers) pool() (*x509.CertPool, error) {
	text, err := file.Read(c.CA, file.Small)
	if err != nil {
		return nil, fmt.Errorf("read the clients' authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read the clients' authority: %s: it holds no certificate", c.CA)
	}
	return pool, nil
}

// known reports whether a request comes from somebody who is known.
func (c Callers) known(r *http.Request) bool {
	if c.CA != "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		leaf := r.TLS.VerifiedChains[0][0]
		named := func(name string) bool { return slices.Contains(c.Names, name) }
		if named(leaf.Subject.CommonName) || slices.ContainsFunc(leaf.DNSNames, named) {
			return true
		}
	}
	said, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c.Token == "" || !ok {
		return false
	}
	text, err := file.Read(c.Token, file.Small)
	token := strings.TrimSpace(string(text))
	return err == nil && token != "" && subtle.ConstantTimeCompare([]byte(said), []byte(token)) == 1
}
