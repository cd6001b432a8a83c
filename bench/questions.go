// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// ask puts questions at an even pace. One that is due is put, whether those before have
// been answered or not: what must wait is in the figures (vegeta lib/attack.go, Attack).
func (g *guardProcess) ask(questions []write, client *http.Client, out *serving) error {
	bodies := make([][]byte, len(questions))
	for i, q := range questions {
		bodies[i] = q.review(strconv.Itoa(i))
	}
	var next atomic.Int64
	targets := func(t *vegeta.Target) error {
		i := int(next.Add(1)-1) % len(bodies)
		*t = vegeta.Target{Method: http.MethodPost, URL: "https://" + g.listen + "/validate", Body: bodies[i], Header: http.Header{"Content-Type": {"application/json"}}}
		return nil
	}
	pace, whole := vegeta.Rate{Freq: perSecond, Per: time.Second}, time.Duration(len(questions))*time.Second/perSecond
	var took []float64
	var failed error
	for r := range vegeta.NewAttacker(vegeta.Client(client), vegeta.Workers(atOnce)).Attack(targets, pace, whole, "") {
		took = append(took, micro(r.Latency)/1e3)
		wrong, err := unlike(r, questions)
		failed = cmp.Or(failed, err) // one says enough
		if wrong != "" {
			out.Wrong, out.FirstWrong = out.Wrong+1, wrong
		}
	}
	out.note(took)
	return failed
}

// unlike tells what is wrong with an answer, which names its question.
func unlike(r *vegeta.Result, questions []write) (string, error) {
	var a struct {
		Response struct {
			UID     string
			Allowed bool
			Status  struct{ Message string }
		}
	}
	if r.Error != "" {
		return "", errors.New(r.Error)
	}
	if err := json.Unmarshal(r.Body, &a); err != nil {
		return "", err
	}
	i, err := strconv.Atoi(a.Response.UID)
	if err != nil || i >= len(questions) {
		return fmt.Sprintf("an answer to question %q", a.Response.UID), nil
	}
	if a.Response.Allowed == questions[i].refused {
		return questions[i].sort + ": " + a.Response.Status.Message, nil
	}
	return "", nil
}

func (s *serving) note(took []float64) {
	slices.Sort(took)
	s.P50, s.P99, s.Most = append(s.P50, percentile(took, 50)), append(s.P99, percentile(took, 99)), append(s.Most, took[len(took)-1])
	s.Asked += len(took)
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
