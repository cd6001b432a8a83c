// SPDX-License-Identifier: Apache-2.0

// Package apiserver runs a real etcd and kube-apiserver on loopback for tests, and
// for what is measured.
//
// There is no controller manager, scheduler or kubelet: what a test applies is
// what it reads back, and nothing moves on its own.
package apiserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"whohas/testkit/port"
)

const (
	// startTimeout bounds the wait for readiness, not the building of
	// binaries. A loaded two-core machine needs some ten seconds.
	startTimeout = 2 * time.Minute
	// kubectlTimeout bounds one kubectl command.
	kubectlTimeout = 60 * time.Second
	// pollInterval is short because a test waits for every one of them.
	pollInterval = 20 * time.Millisecond
	logTailLines = 20
)

// Users the server knows. Admin is in system:masters and may do everything.
// Limited may do only what RBAC gives every authenticated user, which is
// discovery and reviews of its own access, until a test grants more.
const (
	Admin   = "admin"
	Limited = "limited"
)

// TB is what a server runs for: a test, or a program that measures with one. It is
// the part of testing.TB that is needed.
type TB interface {
	Helper()
	TempDir() string
	Context() context.Context
	Cleanup(func())
	Logf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
	Skipf(format string, args ...any)  // does not return
}

// Server is a running kube-apiserver with an empty etcd of its own.
type Server struct {
	tb      TB
	dir     string
	url     string
	kubectl string
	ca      []byte
	tokens  map[string]string
	api     *command
}

// command is a program that can be started again as it was.
type command struct {
	path    string
	args    []string
	running *process
}

// Start returns a server that is ready, and stops it when tb ends. It fails tb
// with the end of the servers' logs when they are not ready in time. More flags of
// kube-apiserver can be given; they beat the server's own.
//
// Binaries missing from the cache are built with tools/build, which takes
// longer than the default timeout of go test on a small machine: run
// tools/build first. With -short they are not built and tb is skipped, as it is
// on systems other than Linux. Flags are given to kube-apiserver after its own, and
// take their place.
func Start(tb TB, flags ...string) *Server {
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skipf("SKIPPED: a real kube-apiserver is run on Linux only")
	}
	bin := components(tb)
	s, err := start(tb, bin, flags)
	if err != nil {
		tb.Fatalf("start kube-apiserver: %v", err)
	}
	return s
}

// With returns the same server reporting its failures to tb, for a subtest.
func (s *Server) With(tb TB) *Server {
	c := *s
	c.tb = tb
	return &c
}

// Stop ends kube-apiserver as a crash does. Its etcd stays.
func (s *Server) Stop() {
	s.tb.Helper()
	s.api.running.end()
}

// Again starts the kube-apiserver that was stopped, on the same port, with the same
// etcd and certificate, and returns when it is ready. Only the test in which the
// server was started may call it: the server ends with that one.
func (s *Server) Again() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(s.tb.Context(), startTimeout)
	defer cancel()
	var err error
	if s.api.running, err = run(s.tb, s.dir, s.api.path, s.api.args...); err == nil {
		err = s.api.running.await(ctx, func() error { return s.ready(ctx) })
	}
	if err != nil {
		s.tb.Fatalf("start kube-apiserver again: %v", err)
	}
}

// Client returns a client that may do what user may. Requests go to URL.
func (s *Server) Client(user string) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.ca)
	return &http.Client{Transport: &bearer{s.tokens[user], &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true,
	}}, Timeout: time.Minute}
}

// bearer adds a token to each request.
type bearer struct {
	token string
	http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.RoundTripper.RoundTrip(r)
}

// URL is the address of the server, https://127.0.0.1:port.
func (s *Server) URL() string { return s.url }

// Kubeconfig writes a kubeconfig file for user and returns its path. The server
// knows Admin and Limited; any other user gets a token it does not know, so its
// requests are answered 401 Unauthorized.
func (s *Server) Kubeconfig(user string) string {
	s.tb.Helper()
	token, ok := s.tokens[user]
	if !ok {
		token = rand.Text()
	}
	path, err := writeTemp(s.dir, "kubeconfig-*", s.kubeconfig(user, token))
	if err != nil {
		s.tb.Fatalf("write kubeconfig: %v", err)
	}
	return path
}

func (s *Server) kubeconfig(user, token string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %q
  user:
    token: %s
contexts:
- name: test
  context:
    cluster: test
    user: %q
    namespace: default
current-context: test
`, s.url, base64.StdEncoding.EncodeToString(s.ca), user, token, user)
}

// Kubectl runs kubectl as Admin and returns its standard output. A command that
// fails fails the test with what it printed.
func (s *Server) Kubectl(args ...string) string {
	s.tb.Helper()
	return s.KubectlInput("", args...)
}

// KubectlInput is Kubectl with stdin as the standard input.
func (s *Server) KubectlInput(stdin string, args ...string) string {
	s.tb.Helper()
	out, err := s.KubectlAs(Admin, stdin, args...)
	if err != nil {
		s.tb.Fatalf("%v", err)
	}
	return out
}

// KubectlAs runs kubectl as user, as Kubeconfig knows it, and returns its
// standard output. The error of a command that fails holds its standard error.
func (s *Server) KubectlAs(user, stdin string, args ...string) (string, error) {
	s.tb.Helper()
	// Not the test's context, which is done before its cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), kubectlTimeout)
	defer cancel()
	args = append([]string{"--kubeconfig", s.Kubeconfig(user)}, args...)
	cmd := exec.CommandContext(ctx, s.kubectl, args...)
	// Only this: the caller's KUBECONFIG, kuberc and caches stay out of it.
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w\n%s%s",
			strings.Join(args[2:], " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// start runs both servers once and waits until they are ready.
func start(tb TB, bin binaries, flags []string) (*Server, error) {
	// Asked for before any process is started: cleanups run in reverse, and
	// the directory must not be removed under a running server.
	dir := tb.TempDir()
	ctx, cancel := context.WithTimeout(tb.Context(), startTimeout)
	defer cancel()
	at := port.Keep(tb)
	s := &Server{
		tb:      tb,
		dir:     dir,
		url:     "https://" + at,
		kubectl: bin.kubectl,
		// Random, so that a server some other test left on the port can
		// never be taken for this one.
		tokens: map[string]string{Admin: rand.Text(), Limited: rand.Text()},
	}
	client, peer := "http://"+port.Keep(tb), "http://"+port.Keep(tb)

	etcd, err := run(tb, dir, bin.etcd, etcdArgs(dir, client, peer)...)
	if err != nil {
		return nil, err
	}
	// A kube-apiserver that finds no etcd backs off for a second.
	if err := etcd.await(ctx, func() error {
		return get(ctx, &http.Transport{DisableKeepAlives: true}, client+"/health", "")
	}); err != nil {
		return nil, err
	}

	args, err := apiserverArgs(dir, client, at, s.tokens)
	if err != nil {
		return nil, err
	}
	s.api = &command{path: bin.apiserver, args: append(args, flags...)}
	if s.api.running, err = run(tb, dir, s.api.path, s.api.args...); err != nil {
		return nil, err
	}
	if err := s.api.running.await(ctx, func() error { return s.ready(ctx) }); err != nil {
		return nil, err
	}
	return s, nil
}

func etcdArgs(dir, client, peer string) []string {
	return []string{
		"--name=default",
		"--data-dir=" + filepath.Join(dir, "etcd"),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		// The data is thrown away; what a crash would lose does not matter.
		"--unsafe-no-fsync",
	}
}

// apiserverArgs writes the files kube-apiserver reads and returns its flags.
func apiserverArgs(dir, etcd, at string, tokens map[string]string) ([]string, error) {
	key, err := signingKey()
	if err != nil {
		return nil, err
	}
	keyFile, err := writeTemp(dir, "service-account-*.key", key)
	if err != nil {
		return nil, err
	}
	tokenFile, err := writeTemp(dir, "tokens-*.csv", fmt.Sprintf(
		"%s,%s,uid-%[2]s,system:masters\n%s,%s,uid-%[4]s\n",
		tokens[Admin], Admin, tokens[Limited], Limited))
	if err != nil {
		return nil, err
	}
	return []string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strings.TrimPrefix(at, "127.0.0.1:"),
		// Loopback is no valid endpoint address of the kubernetes Service.
		"--endpoint-reconciler-type=none",
		// The server puts a certificate it signs itself here.
		"--cert-dir=" + certDir(dir),
		"--token-auth-file=" + tokenFile,
		"--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.96.0.0/12",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + keyFile,
		"--service-account-signing-key-file=" + keyFile,
		// No controller makes the default ServiceAccounts, without which this
		// plugin refuses every Pod.
		"--disable-admission-plugins=ServiceAccount",
	}, nil
}

// ready tells why the server cannot serve yet.
func (s *Server) ready(ctx context.Context) error {
	ca, err := os.ReadFile(filepath.Join(certDir(s.dir), "apiserver.crt"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return errors.New("apiserver.crt: no certificate yet")
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		DisableKeepAlives: true,
	}
	// The default namespace is made in the background, after /readyz.
	for _, path := range []string{"/readyz", "/api/v1/namespaces/default"} {
		if err := get(ctx, transport, s.url+path, s.tokens[Admin]); err != nil {
			return err
		}
	}
	s.ca = ca
	return nil
}

// get succeeds when url answers 200.
func get(ctx context.Context, transport http.RoundTripper, url, token string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, resp.Status)
	}
	return nil
}

func certDir(dir string) string { return filepath.Join(dir, "certs") }
