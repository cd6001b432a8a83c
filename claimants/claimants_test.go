// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/document"
)

// scene is text and what one claimant finds in it; without want it is a near
// miss, which must claim nothing.
type scene struct {
	name string
	kind claim.Kind
	text string
	want []string // as row prints them, in the order of the claims
}

var scenes = slices.Concat(
	coreScenes, kubeadmScenes, serviceCIDRScenes, metalLBScenes, ciliumScenes, kubeVIPScenes, calicoScenes,
	nodeScenes, kernelScenes, stationScenes, openELBScenes, pureLBScenes, openShiftScenes, storageScenes,
)

func TestScenes(t *testing.T) {
	for _, s := range scenes {
		t.Run(string(s.kind)+"/"+s.name, func(t *testing.T) {
			var got []string
			for _, c := range claimed(t, s.text) {
				if c.Kind == s.kind {
					got = append(got, row(c))
				}
			}
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

// row prints a claim: role, range, text if the range does not say it, ports,
// agent and owner.
func row(c claim.Claim) string {
	s := c.Role.String() + " " + c.Range.String()
	if c.Text != "" && c.Text != c.Range.String() {
		s += fmt.Sprintf(" %q", c.Text)
	}
	if len(c.Ports) > 0 {
		s += " " + c.Ports.String()
	}
	if c.Agent != "" {
		s += " by " + c.Agent
	}
	if c.Share != "" {
		s += " shared " + c.Share
	}
	return s + " for " + c.Owner.String()
}

// claimed decodes text as the sources do and gathers every claim in it.
func claimed(t *testing.T, text string) []claim.Claim {
	t.Helper()
	claims := slices.Collect(Register(decoded(t, text)).All())
	slices.SortFunc(claims, claim.Compare)
	return claims
}

func decoded(t *testing.T, text string) *snapshot.Snapshot {
	t.Helper()
	reads, err := snapshot.NewReads(Reads()...)
	if err != nil {
		t.Fatal(err)
	}
	var into snapshot.Builder
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
			var h dataplane.Host
			d.DisallowUnknownFields()
			if err := d.Decode(&h); err != nil {
				t.Fatal(err)
			}
			into.AddHost(h)
		}
		return into.Snapshot()
	}
	result, err := document.Reading{Reads: reads, Into: &into, File: "f.yaml"}.Decode(context.Background(), strings.NewReader(text))
	if err != nil || result.Bad > 0 || result.Strangers > 0 {
		t.Fatalf("the scene's text could not be read: %+v, %v", result, err)
	}
	return into.Snapshot()
}

func TestEveryClaimantHasAClaimAndANearMiss(t *testing.T) {
	claims, quiet := map[claim.Kind]bool{}, map[claim.Kind]bool{}
	for _, s := range scenes {
		claims[s.kind] = claims[s.kind] || len(s.want) > 0
		quiet[s.kind] = quiet[s.kind] || len(s.want) == 0
	}
	for _, c := range All() {
		if !claims[c.Kind] {
			t.Errorf("%s: no scene in which it claims something", c.Kind)
		}
		if !quiet[c.Kind] {
			t.Errorf("%s: no near miss", c.Kind)
		}
		delete(claims, c.Kind)
	}
	for kind := range claims {
		t.Errorf("%s: scenes of no claimant", kind)
	}
}

func TestEveryClaimantIsWhole(t *testing.T) {
	seen := map[claim.Kind]bool{}
	for _, c := range All() {
		if c.Kind == "" || seen[c.Kind] {
			t.Errorf("%q: empty or not the only one", c.Kind)
		}
		seen[c.Kind] = true
		if c.Role == 0 || c.Role&(c.Role-1) != 0 {
			t.Errorf("%s: role %q is not one role", c.Kind, c.Role)
		}
		if !strings.HasSuffix(c.Doc, ".") || strings.Contains(c.Doc, "\n") {
			t.Errorf("%s: doc %q is not a sentence", c.Kind, c.Doc)
		}
		if n := readers(c); n != 1 {
			t.Errorf("%s: %d of Object, Pod, Slice and Host instead of one", c.Kind, n)
		}
		if c.Host != nil {
			if c.Of != (snapshot.Kind{}) || len(c.Names)+len(c.Fields) > 0 {
				t.Errorf("%s: reads hosts and objects", c.Kind)
			}
			continue
		}
		if c.Of.Kind == "" || c.Of.Resource != strings.ToLower(c.Of.Resource) || c.Of.Resource == "" {
			t.Errorf("%s: of %+v", c.Kind, c.Of)
		}
		if _, err := snapshot.NewReads(snapshot.Read{Kind: c.Of, Names: c.Names, Fields: c.Fields}); err != nil {
			t.Errorf("%s: %v", c.Kind, err)
		}
	}
}

func readers(c *Claimant) int {
	n := 0
	for _, has := range []bool{c.Object != nil, c.Pod != nil, c.Slice != nil, c.Host != nil} {
		if has {
			n++
		}
	}
	return n
}

// One kind of object must be described in one way: the sources ask for it once.
func TestEveryKindIsDescribedOnce(t *testing.T) {
	kinds := map[[2]string]snapshot.Kind{}
	for _, r := range append(Reads(), cluster.Reads()...) {
		key := [2]string{r.Kind.Group, r.Kind.Kind}
		if k, ok := kinds[key]; ok && k != r.Kind {
			t.Errorf("%+v and %+v", k, r.Kind)
		}
		kinds[key] = r.Kind
	}
}

// ConfigMaps and Secrets hold what is nobody's business here: only those that a
// claimant names may be read.
func TestConfigMapsAreNamed(t *testing.T) {
	for _, c := range All() {
		if c.Of.Kind == "Secret" || c.Of == cluster.ConfigMapKind && len(c.Names) == 0 {
			t.Errorf("%s reads all objects of %s", c.Kind, c.Of.Resource)
		}
	}
}

func TestOriginsPointAtTheText(t *testing.T) {
	const text = `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations:
    metallb.io/loadBalancerIPs: 10.0.0.1,10.0.0.2
spec:
  type: LoadBalancer
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: metallb-system}
data:
  config: |
    address-pools:
    - addresses:
      - 10.0.0.0/24
`
	got := map[string]string{}
	for _, c := range claimed(t, text) {
		got[c.Text] = fmt.Sprintf("%s:%d %s", c.Origin.File, c.Origin.Line, c.Origin.Field)
	}
	want := map[string]string{
		"10.0.0.1":    `f.yaml:7 metadata.annotations["metallb.io/loadBalancerIPs"]`,
		"10.0.0.2":    `f.yaml:7 metadata.annotations["metallb.io/loadBalancerIPs"]`,
		"10.0.0.0/24": "f.yaml:18 data.config.address-pools[0].addresses[0]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
}

// Placeholders keep their text and claim nothing: a rule speaks about them.
func TestPlaceholdersClaimNoRange(t *testing.T) {
	const text = `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: a, namespace: metallb-system}
spec:
  addresses: ["${FROM}-${TO}"]
---
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations:
    purelb.io/addresses: "<VIP>"
    projectcalico.org/loadBalancerIPs: '["{{ .Values.vip }}"]'
spec:
  type: LoadBalancer
`
	var got []string
	for _, c := range claimed(t, text) {
		if c.Range.IsValid() {
			t.Errorf("%s claims %s", c.Kind, c.Range)
		}
		got = append(got, c.Text)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"${FROM}-${TO}", "<VIP>", "{{ .Values.vip }}"}, got); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
}
