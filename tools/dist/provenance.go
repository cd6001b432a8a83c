// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"time"
)

// What the statement speaks of; SECURITY.md explains both names. They lead nowhere.
const (
	buildType = "urn:whohas:make-dist:v1"
	builderID = "urn:whohas:builder:local"
)

type digest map[string]string

// statement is in-toto's (https://in-toto.io/Statement/v1) with SLSA's predicate
// (https://slsa.dev/provenance/v1): what was built, from what, and how.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     predicate `json:"predicate"`
}

type subject struct {
	Name   string `json:"name"`
	Digest digest `json:"digest"`
}

type predicate struct {
	BuildDefinition struct {
		BuildType            string         `json:"buildType"`
		ExternalParameters   map[string]any `json:"externalParameters"`
		InternalParameters   map[string]any `json:"internalParameters"`
		ResolvedDependencies []dependency   `json:"resolvedDependencies"`
	} `json:"buildDefinition"`
	RunDetails struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
	} `json:"runDetails"`
}

type dependency struct {
	Name        string            `json:"name"`
	URI         string            `json:"uri,omitempty"`
	Digest      digest            `json:"digest,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// provenance names everything that was made, by its digest, and the commit that it was
// made from. It has no time of the build: a second build is to give the same statement.
func (r *release) provenance(made []file, targets []target) (file, error) {
	s := statement{Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1"}
	for _, f := range made {
		s.Subject = append(s.Subject, subject{f.path, digest{"sha256": f.sum()}})
	}
	goes, err := r.command(nil, "go", "env", "GOVERSION")
	if err != nil {
		return file{}, err
	}
	var platforms []string
	for _, t := range targets {
		platforms = append(platforms, t.String())
	}
	b := &s.Predicate.BuildDefinition
	b.BuildType = buildType
	b.ExternalParameters = map[string]any{"release": r.name, "platforms": platforms}
	b.InternalParameters = map[string]any{"go": strings.TrimSpace(string(goes)), "home": r.home}
	commit := dependency{Name: "source", URI: "git+" + r.home, Digest: digest{"gitCommit": r.commit}, Annotations: map[string]string{"date": r.date.Format(time.RFC3339)}}
	if r.changed {
		commit.Annotations["changed"] = "files differed from the commit"
	}
	b.ResolvedDependencies = []dependency{commit}
	s.Predicate.RunDetails.Builder.ID = builderID
	text, err := indented(s)
	return file{"provenance.json", 0o644, text}, err
}
