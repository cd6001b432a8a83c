//go:build linux

package director

import (
	"context"
	"errors"

	"whohas/lab"
	"whohas/lab/site"
)

type cluster struct{}

func (p *player) build(ctx context.Context) error {
	var err error
	p.site, err = site.Build(p.scenario.Topology, p.hosts)
	return err
}
func (p *player) clearSite() error {
	if p.site == nil {
		return nil
	}
	return p.site.Close()
}
func (p *player) versions() string                              { return "kernel " + kernelRelease() }
func (p *player) alive() error                                  { return nil }
func (m *machine) bringLogs(p *player)                          {}
func (p *player) change(ctx context.Context, s lab.Step) error  { return errors.New("no cluster") }
func (p *player) operate(ctx context.Context, s lab.Step) error { return errors.New("no cluster") }
func (p *player) askCluster(ctx context.Context, q lab.Query) (string, error) {
	return "", errors.New("no cluster")
}
func (p *player) askComponent(ctx context.Context, h *site.Host, q lab.Query) (string, error) {
	return "", errors.New("no cluster")
}
func (p *player) record(ctx context.Context, name string) error { return nil }
