// SPDX-License-Identifier: Apache-2.0

// Package kubeconfig finds the cluster that a command line or a file names, and refuses
// files that client-go would wait for or that would fill the memory.
package kubeconfig

import (
	"errors"
	"io/fs"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"whohas/source/file"
	"whohas/source/live"
)

const (
	mostKubeconfig = 4 << 20  // of some hundred clusters, with their certificates
	mostAnswer     = 64 << 20 // of an apiserver to one question that is not streamed
)

// Named is the cluster that the flags, or the kubeconfigs that kubectl takes, name.
// client-go opens what it is given, a pipe too, which would wait: so each file is
// looked at before.
// The agent is what the apiserver's log calls us.
func Named(f *Flags, agent string) (*rest.Config, error) {
	names, explicit := []string{f.Path}, f.Path != ""
	if !explicit {
		names = clientcmd.NewDefaultClientConfigLoadingRules().GetLoadingPrecedence()
	}
	for _, name := range names {
		_, err := read(name)
		if errors.Is(err, fs.ErrNotExist) && !explicit {
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	if err := smallFiles(f.Overrides.ClusterInfo.CertificateAuthority, f.Overrides.AuthInfo.ClientCertificate, f.Overrides.AuthInfo.ClientKey); err != nil {
		return nil, err
	}
	return named(agent)(f.client())
}

// read reads one file, and sees that those which it names can be read.
func read(path string) (*api.Config, error) {
	text, err := file.Read(path, mostKubeconfig)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.Load(text)
	if err != nil {
		return nil, &fs.PathError{Op: "load", Path: path, Err: err}
	}
	for _, c := range config.Clusters {
		c.LocationOfOrigin = path
	}
	for _, u := range config.AuthInfos {
		u.LocationOfOrigin = path
	}
	for _, c := range config.Contexts {
		c.LocationOfOrigin = path
	}
	dir := filepath.Dir(path)
	for _, c := range config.Clusters {
		err = errors.Join(err, smallFiles(beside(dir, c.CertificateAuthority)))
	}
	for _, u := range config.AuthInfos {
		err = errors.Join(err, smallFiles(beside(dir, u.ClientCertificate), beside(dir, u.ClientKey), beside(dir, u.TokenFile)))
	}
	return config, err
}

// beside is where a kubeconfig means by a name (clientcmd.ResolveLocalPaths).
func beside(dir, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// smallFiles refuses names of what is there and is no small file. What is missing, or
// may not be read, client-go tells.
func smallFiles(names ...string) error {
	for _, name := range names {
		if name == "" {
			continue
		}
		if _, err := file.Read(name, file.Small); errors.Is(err, file.ErrIrregular) || errors.Is(err, file.ErrLarge) {
			return err
		}
	}
	return nil
}

// File is the cluster that one kubeconfig names.
func File(path, agent string) (*rest.Config, error) {
	config, err := read(path)
	if err != nil {
		return nil, err
	}
	return named(agent)(clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig())
}

// named gives a cluster's configuration the name that we ask by.
func named(agent string) func(*rest.Config, error) (*rest.Config, error) {
	return func(cfg *rest.Config, err error) (*rest.Config, error) {
		if err == nil {
			cfg.UserAgent = agent
		}
		return cfg, err
	}
}

// Bounded has no answer of an apiserver fill the memory; for what reads answers whole.
func Bounded(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Wrap(live.Bounded(mostAnswer))
	return cfg
}
