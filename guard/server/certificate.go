// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"
)

// served remembers the certificate that was shown last, for its metric.
type served struct {
	last atomic.Pointer[tls.Certificate]
}

// wrap looks on when a certificate is chosen.
func (s *served) wrap(c *tls.Config) {
	choose := c.GetCertificate
	if choose == nil {
		return
	}
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := choose(hello)
		if err == nil && cert != nil {
			s.keep(cert)
		}
		return cert, err
	}
}

func (s *served) keep(c *tls.Certificate) {
	if c.Leaf == nil && len(c.Certificate) > 0 {
		leaf, err := x509.ParseCertificate(c.Certificate[0])
		if err != nil {
			return
		}
		c = &tls.Certificate{Certificate: c.Certificate, Leaf: leaf}
	}
	s.last.Store(c)
}

// now is the certificate that was shown last, or nil.
func (s *served) now() *tls.Certificate { return s.last.Load() }
