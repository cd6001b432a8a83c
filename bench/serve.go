// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"whohas/testkit/apiserver"
	"whohas/testkit/clustergen"
	"whohas/testkit/port"
)

// servingJob is what is to be measured, and serving what came of it: `whohas-guard serve`, as
// a process, beside a real apiserver.
type (
	servingJob struct {
		Guard   string // the program
		Size    clustergen.Size
		Runs    int
		Seconds int // of questions
	}
	serving struct {
		Objects            int
		Loading            float64   // s, of the apiserver's
		Ready              []float64 // s, from the start
		P50, P99, Most     []float64 // ms, of each part of the questions
		Asked, Wrong       int
		RSS, Loaded, Peak  []float64 // MiB: once ready and audited; after the questions; the most
		Anonymous          []float64 // MiB of Loaded, without what is mapped from the program's file
		Claims, InRegister int
		FirstWrong         string
	}
)

const (
	perSecond = 200 // questions
	atOnce    = 10
	// readyLimit bounds the wait for a program that does not come up.
	readyLimit = 2 * time.Minute
)

// serve is a process of its own, so that the memory of the objects which it loads is
// nobody else's.
func serve(args []string) error {
	var job servingJob
	if err := json.Unmarshal([]byte(args[0]), &job); err != nil {
		return err
	}
	var out serving
	if err := using(func(tb *host) error { return job.measure(tb, &out) }); err != nil {
		return err
	}
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return os.WriteFile(args[1], text, 0o644)
}

func (j servingJob) measure(tb *host, out *serving) error {
	f := clustergen.New(j.Size)
	c, err := survey(f)
	if err != nil {
		return err
	}
	saying("a kube-apiserver, and %d Nodes and %d Services for it", j.Size.Nodes, j.Size.Services)
	server := apiserver.Start(tb, "--service-cluster-ip-range="+clustergen.ServiceCIDR)
	begun := time.Now()
	if out.Objects, err = (&loader{server, server.Client(apiserver.Admin)}).fill(f); err != nil {
		return err
	}
	out.Loading = time.Since(begun).Seconds()
	saying("  loaded in %.0f s", out.Loading)
	certificate, pool, err := selfSigned(tb.TempDir())
	if err != nil {
		return err
	}
	for run := range j.Runs {
		saying("whohas-guard serve, run %d of %d", run+1, j.Runs)
		g := &guardProcess{program: j.Guard, kubeconfig: server.Kubeconfig(apiserver.Admin), certificates: certificate, dir: tb.TempDir(), listen: port.Keep(tb), metrics: port.Keep(tb), health: port.Keep(tb)}
		err := g.start()
		if err == nil {
			err = g.measure(out, writes(c, j.Seconds*perSecond/j.Runs), asker(pool))
		}
		if err = errors.Join(err, g.stop()); err != nil {
			return fmt.Errorf("%w\n%s", err, g.log())
		}
	}
	return nil
}

// guardProcess is the program as a cluster runs it.
type guardProcess struct {
	program, kubeconfig, certificates, dir string
	listen, metrics, health                string
	cmd                                    *exec.Cmd
	ended                                  chan error
	begun                                  time.Time
}

func (g *guardProcess) start() error {
	log, err := os.Create(filepath.Join(g.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	g.cmd = exec.Command(g.program, "serve", "--kubeconfig", g.kubeconfig, "--cert-dir", g.certificates,
		"--listen", g.listen, "--metrics-listen", g.metrics, "--health-listen", g.health)
	g.cmd.Dir, g.cmd.Stdout, g.cmd.Stderr = g.dir, log, log
	g.cmd.Env = append(os.Environ(), "GOMEMLIMIT=512MiB") // as in deploy/base
	return nil
}

// run begins, and returns once the guard says that it is ready.
func (g *guardProcess) run() error {
	g.begun = time.Now()
	if err := g.cmd.Start(); err != nil {
		return err
	}
	g.ended = make(chan error, 1)
	go func() { g.ended <- g.cmd.Wait() }()
	return g.until("ready", func() bool { return fetched("http://"+g.health+"/readyz") == "ok" })
}

func (g *guardProcess) until(what string, is func() bool) error {
	for end := time.Now().Add(readyLimit); !is(); time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-g.ended:
			g.ended <- err
			return fmt.Errorf("whohas-guard serve ended: %w", err)
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("whohas-guard serve: not %s after %v", what, readyLimit)
		}
	}
	return nil
}

func (g *guardProcess) stop() error {
	if g.ended == nil {
		return nil
	}
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-g.ended:
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("whohas-guard serve does not end"), g.cmd.Process.Kill())
	}
}

func (g *guardProcess) log() string {
	text, _ := os.ReadFile(filepath.Join(g.dir, "log"))
	return string(text[max(0, len(text)-4000):])
}

func (g *guardProcess) measure(out *serving, questions []write, client *http.Client) error {
	if err := g.run(); err != nil {
		return err
	}
	out.Ready = append(out.Ready, time.Since(g.begun).Seconds())
	if err := g.until("audited", func() bool { return g.metric("whohas_guard_audit_timestamp_seconds") > 0 }); err != nil {
		return err
	}
	time.Sleep(10 * time.Second) // it is told of, a second audit may follow, and memory is given back
	out.RSS = append(out.RSS, g.memory("VmRSS"))
	if err := g.ask(questions, client, out); err != nil {
		return err
	}
	out.Loaded, out.Peak = append(out.Loaded, g.memory("VmRSS")), append(out.Peak, g.memory("VmHWM"))
	out.Anonymous = append(out.Anonymous, g.memory("RssAnon"))
	out.Claims, out.InRegister = int(g.metric("whohas_guard_register_claims")), int(g.metric("whohas_guard_register_objects"))
	return nil
}

// memory is a line of what the kernel says of the process, in MiB.
func (g *guardProcess) memory(line string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	for l := range strings.Lines(string(text)) {
		if fields := strings.Fields(l); len(fields) == 3 && fields[0] == line+":" {
			n, _ := strconv.ParseFloat(fields[1], 64)
			return n / 1024
		}
	}
	return 0
}

// metric is the value of one that has no labels; 0 if there is none.
func (g *guardProcess) metric(name string) float64 {
	for l := range strings.Lines(fetched("http://" + g.metrics + "/metrics")) {
		if value, ok := strings.CutPrefix(l, name+" "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return n
		}
	}
	return 0
}

func fetched(url string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return ""
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return string(text)
}
