// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// ask puts questions at an even pace, as many at once as there are. What an answer
// takes is counted from the moment at which its question was due: a question that had
// to wait for a slower one before it has waited.
func (g *guardProcess) ask(questions []write, client *http.Client, out *serving) error {
	bodies := make([][]byte, len(questions))
	for i, q := range questions {
		bodies[i] = q.review(strconv.Itoa(i))
	}
	took, wrong := make([]float64, len(questions)), make([]string, len(questions))
	failed := make([]error, atOnce)
	next, begun := make(chan int), time.Now()
	var ended sync.WaitGroup
	for worker := range atOnce {
		ended.Go(func() {
			for i := range next {
				due := begun.Add(time.Duration(i) * time.Second / perSecond)
				time.Sleep(time.Until(due))
				a, err := put(client, "https://"+g.listen+"/validate", bodies[i])
				took[i] = micro(time.Since(due)) / 1e3
				failed[worker] = errors.Join(failed[worker], err)
				if a.Response.Allowed == questions[i].refused || a.Response.UID != strconv.Itoa(i) {
					wrong[i] = questions[i].sort + ": " + a.Response.Status.Message
				}
			}
		})
	}
	for i := range questions {
		next <- i
	}
	close(next)
	ended.Wait()
	out.note(took, wrong)
	return errors.Join(failed...)
}

func (s *serving) note(took []float64, wrong []string) {
	slices.Sort(took)
	s.P50, s.P99, s.Most = append(s.P50, percentile(took, 50)), append(s.P99, percentile(took, 99)), append(s.Most, took[len(took)-1])
	s.Asked += len(took)
	for _, w := range wrong {
		if w != "" {
			s.Wrong++
			s.FirstWrong = w
		}
	}
}

// asker is a client as an apiserver's: connections stay open, and are HTTP/1.1, that
// questions are spread over the replicas (k8s.io/apiserver pkg/util/webhook/client.go,
// v0.37).
func asker(pool *x509.CertPool) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: atOnce, TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}}}
}

// selfSigned writes a certificate for loopback.
func selfSigned(dir string) (string, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", nil, err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return dir, pool, errors.Join(os.WriteFile(filepath.Join(dir, "tls.crt"), public, 0o600),
		os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
