// SPDX-License-Identifier: Apache-2.0

// Command clustergen writes a cluster of any size, and what is wrong with it, into
// a folder.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"whohas/testkit/clustergen"
)

func main() {
	var size clustergen.Size
	dir := flag.String("o", "", "folder to write into")
	big := flag.Bool("big", false, "5,000 nodes and 150,000 pods, whatever the counts say")
	yaml := flag.Bool("yaml", false, "write manifests in place of lists")
	flag.IntVar(&size.Nodes, "nodes", 50, "nodes")
	flag.IntVar(&size.Services, "services", 200, "services")
	flag.IntVar(&size.ExternalIPServices, "external", 40, "services with externalIPs")
	flag.IntVar(&size.LoadBalancers, "loadbalancers", 40, "services of type LoadBalancer")
	flag.IntVar(&size.Pods, "pods", 1500, "pods")
	flag.IntVar(&size.EndpointSlices, "endpointslices", 200, "endpoint slices")
	flag.IntVar(&size.Pools, "pools", 5, "address pools without conflict")
	flag.IntVar(&size.Conflicts, "conflicts", 12, "planted conflicts")
	flag.Uint64Var(&size.Seed, "seed", 1, "seed")
	flag.Parse()
	if *big {
		seed := size.Seed
		size = clustergen.Big()
		size.Seed = seed
	}
	if err := write(*dir, size, *yaml); err != nil {
		fmt.Fprintln(os.Stderr, "clustergen: error:", err)
		os.Exit(2)
	}
}

func write(dir string, size clustergen.Size, yaml bool) error {
	if err := size.Check(); err != nil || dir == "" {
		return cmp.Or(err, errors.New("no folder: give -o DIR"))
	}
	f := clustergen.New(size)
	if yaml {
		return f.WriteYAML(dir)
	}
	planted, err := json.MarshalIndent(f.Planted(), "", "  ")
	err = errors.Join(err, os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "planted.json"), append(planted, '\n'), 0o644))
	for _, kind := range f.Kinds() {
		file, failed := os.Create(filepath.Join(dir, kind+".json"))
		if failed != nil {
			return errors.Join(err, failed)
		}
		err = errors.Join(err, f.WriteList(file, kind), file.Close())
	}
	return err
}
