// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto"
	"crypto/tls"
	"io"
	"runtime"
)

// signers bounds how many handshakes are signed at once. A signature is nearly all that a
// stranger's connection costs (RSA 2048: a millisecond), and a processor is left for those
// whose connection stands.
type signers struct{ slots chan struct{} }

func newSigners() signers {
	return signers{make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// by is a certificate whose key waits for its turn.
func (s signers) by(pair *tls.Certificate) *tls.Certificate {
	if pair == nil {
		return nil
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return pair
	}
	waiting := *pair
	waiting.PrivateKey = signer{key, s}
	return &waiting
}

type signer struct {
	crypto.Signer
	turns signers
}

// Sign implements crypto.Signer.
func (s signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.turns.slots <- struct{}{}
	defer func() { <-s.turns.slots }()
	return s.Signer.Sign(random, digest, opts)
}
