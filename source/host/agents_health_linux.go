// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"whohas/dataplane"
	"whohas/kubeproxy"
)

// healthPorts are the ports on which agents answer on loopback.
type healthPorts struct{ kubelet, proxy, metrics uint16 }

// defaultHealthPorts are Kubernetes' (kubernetes pkg/cluster/ports/ports.go).
func defaultHealthPorts() healthPorts {
	return healthPorts{kubelet: 10248, proxy: kubeproxy.HealthPort, metrics: kubeproxy.MetricsPort}
}

const (
	askTime      = 500 * time.Millisecond
	answerLength = 64 << 10
	// The histograms of kube-proxy 1.36 alone have hundreds of lines, and those of its
	// syncs come in the middle.
	metricsLength = 256 << 10
)

// question is asked of one agent.
type question struct {
	agent  int // which of the list
	port   uint16
	path   string
	key    string // under which the outcome is kept: "ok", a status, or why there is none
	length int64
	facts  func(body []byte) map[string]string // of an answer, whatever its status; may be nil
}

// askAgents asks on 127.0.0.1 what the kubelet and kube-proxy say of themselves, all
// at once, and writes it into their Health:
//
//	kubelet     healthz                        "ok"
//	kube-proxy  healthz, lastUpdated           "503", "2026-11-22T20:00:00.5Z"
//	            metrics, proxyMode             "ok", "ipvs"
//	            syncs, restoreFailures         "1204", "0"
//	            lastSync, lastQueued           "1795383600.125", in seconds since 1970
//
// healthz and metrics are "ok", the status of another answer, or why there was none:
// "refused", "no answer", "reset", "no route to host", "not understood". Where one
// process is both, as k3s is, kube-proxy's healthz is "proxyHealthz".
func askAgents(ctx context.Context, agents []dataplane.Agent, at healthPorts) {
	questions := questionsFor(agents, at)
	answers := make([]map[string]string, len(questions))
	var all sync.WaitGroup
	for i, q := range questions {
		conn, err := connect(q.port) // on this thread
		all.Go(func() { answers[i] = q.ask(ctx, conn, err) })
	}
	all.Wait()
	for i, q := range questions {
		a := &agents[q.agent]
		if a.Health == nil {
			a.Health = map[string]string{}
		}
		maps.Copy(a.Health, answers[i])
	}
}

// questionsFor asks each port once: of several programs that may hold it, the one
// that is nothing else. k3s and MicroK8s have both within one process.
func questionsFor(agents []dataplane.Agent, at healthPorts) []question {
	holder := func(names ...string) int {
		for _, name := range names {
			if i := slices.IndexFunc(agents, func(a dataplane.Agent) bool { return a.Name == name }); i >= 0 {
				return i
			}
		}
		return -1
	}
	var out []question
	if i := holder("kubelet", "k3s-server", "k3s-agent", "k3s", "kubelite"); i >= 0 {
		out = append(out, question{i, at.kubelet, "/healthz", "healthz", answerLength, nil})
	}
	if i := holder("kube-proxy", "k3s-server", "k3s-agent", "k3s", "kubelite"); i >= 0 {
		key := "healthz"
		if len(out) > 0 && out[0].agent == i { // whose healthz is the kubelet's
			key = "proxyHealthz"
		}
		out = append(out,
			question{i, at.proxy, "/healthz", key, answerLength, proxyUpdated},
			question{i, at.metrics, "/proxyMode", "metrics", answerLength, proxyMode},
			question{i, at.metrics, "/metrics", "metrics", metricsLength, proxySyncs})
	}
	return out
}

// connect begins a connection to a port of this host. A socket stays in the network
// namespace of the thread that made it (linux net/socket.c __sock_create), whoever
// uses it later, so the caller's thread makes it here, and waits for nothing.
func connect(port uint16) (net.Conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "loopback")
	defer file.Close() // FileConn has its own
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}})
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return nil, err
	}
	return net.FileConn(file)
}

// ask puts the question over a connection. There is no proxy, no second try, and no
// redirect: a round trip is one request.
func (q question) ask(ctx context.Context, conn net.Conn, err error) map[string]string {
	if err != nil {
		return map[string]string{q.key: whyNot(err)}
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if err := connected(ctx, conn); err != nil {
		return map[string]string{q.key: whyNot(err)}
	}
	status, body, err := roundTrip(ctx, conn, q)
	out := map[string]string{}
	switch {
	case err != nil:
		out[q.key] = whyNot(err)
		return out
	case status == http.StatusOK:
		out[q.key] = "ok"
	default:
		out[q.key] = strconv.Itoa(status)
	}
	if q.facts != nil {
		maps.Copy(out, q.facts(body))
	}
	return out
}

// connected waits until the connection is there, or is refused. The kernel tells the
// reason once (SO_ERROR, linux net/core/sock.c sock_error): of two goroutines that use
// the connection, the other would hear that it was reset.
func connected(ctx context.Context, conn net.Conn) error {
	if until, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(until); err != nil {
			return err
		}
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var refused error
	err = raw.Write(func(fd uintptr) bool {
		if n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); err != nil || n != 0 {
			refused = cmp.Or(err, error(unix.Errno(n)))
			return true
		}
		_, err := unix.Getpeername(int(fd))
		return err == nil // else it is not yet there: wait
	})
	return cmp.Or(err, refused)
}

func roundTrip(ctx context.Context, conn net.Conn, q question) (int, []byte, error) {
	transport := &http.Transport{
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 16 << 10,
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", q.port, q.path), nil)
	if err != nil {
		return 0, nil, err
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, q.length))
	return res.StatusCode, body, err
}

func whyNot(err error) string {
	var late net.Error
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return "refused"
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE), errors.Is(err, io.EOF):
		return "reset"
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH):
		return "no route to host"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &late) && late.Timeout():
		return "no answer"
	}
	return "not understood"
}

// proxyMode reads /proxyMode: the mode and nothing else (kubernetes
// cmd/kube-proxy/app/server.go serveMetrics).
func proxyMode(body []byte) map[string]string {
	mode := strings.TrimSpace(string(body))
	if mode == "" || len(mode) > 20 || strings.Trim(mode, "abcdefghijklmnopqrstuvwxyz") != "" {
		return nil
	}
	return map[string]string{"proxyMode": mode}
}

// proxyUpdated takes lastUpdated out of kube-proxy's /healthz. Of a healthy proxy it
// is the present: only of an unhealthy one it tells the last sync (kubernetes
// pkg/proxy/healthcheck, 1.25 proxier_health.go and 1.36 proxy_health.go).
func proxyUpdated(body []byte) map[string]string {
	var answer struct {
		LastUpdated string `json:"lastUpdated"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil
	}
	when, err := time.Parse(time.RFC3339Nano, answer.LastUpdated)
	if err != nil { // 1.25 prints the time as time.Time.String does, with the monotonic clock
		text, _, _ := strings.Cut(answer.LastUpdated, " m=")
		if when, err = time.Parse("2006-01-02 15:04:05.999999999 -0700 MST", text); err != nil {
			return nil
		}
	}
	if when.IsZero() {
		return map[string]string{"lastUpdated": "never"}
	}
	return map[string]string{"lastUpdated": when.UTC().Format(time.RFC3339Nano)}
}

// proxySyncs is what kube-proxy's metrics say of its syncs.
func proxySyncs(body []byte) map[string]string {
	samples, _ := parseSamples(bytes.NewReader(body)) // what was read before a bad line is true
	return samples.summary()
}
