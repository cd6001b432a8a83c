// SPDX-License-Identifier: Apache-2.0

package kubeproxy_test

import (
	"testing"

	"whohas/dataplane"
	"whohas/kubeproxy"
)

// TestBehaviorOf is the version table: who binds an external address, and who filters.
func TestBehaviorOf(t *testing.T) {
	type behavior struct{ binds, owner, filter bool }
	for _, tt := range []struct {
		mode    dataplane.ProxyMode
		version string
		want    behavior
		assumed bool
	}{
		{dataplane.IPVS, "v1.10.2", behavior{}, false},
		{dataplane.IPVS, "v1.11.1", behavior{true, true, false}, false},
		{dataplane.IPVS, "v1.21.3", behavior{true, true, false}, false},
		{dataplane.IPVS, "v1.25.9", behavior{true, true, false}, false},
		{dataplane.IPVS, "v1.26.0", behavior{true, true, true}, false},
		{dataplane.IPVS, "v1.27.2", behavior{true, true, true}, false},
		{dataplane.IPVS, "v1.27.3", behavior{true, false, true}, false},
		{dataplane.IPVS, "v1.36.3", behavior{true, false, true}, false},
		{dataplane.IPVS, "", behavior{true, false, true}, true},
		{dataplane.ModeUnknown, "v1.25.9", behavior{true, true, false}, true},
		{dataplane.IPTables, "v1.36.3", behavior{}, false},
		{dataplane.IPTables, "v1.20.0", behavior{}, false},
		{dataplane.NFTables, "", behavior{}, false},
		{dataplane.EBPF, "", behavior{}, false},
	} {
		version, _ := kubeproxy.ParseVersion(tt.version)
		e := kubeproxy.BehaviorOf(tt.mode, version, false)
		if got := (behavior{e.Binds, e.OwnerBinds, e.Filter}); got != tt.want || e.Assumed != tt.assumed {
			t.Errorf("%s %s: %+v assumed %v, want %+v assumed %v", tt.mode, tt.version, got, e.Assumed, tt.want, tt.assumed)
		}
		if e.Source == "" {
			t.Errorf("%s %s: says not where it is known from", tt.mode, tt.version)
		}
	}
	if e := kubeproxy.BehaviorOf(dataplane.IPVS, kubeproxy.Version{}, true); !e.Binds || !e.OwnerBinds || e.Device != kubeproxy.RouterDevice {
		t.Errorf("kube-router: %+v", e)
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"v1.25.9": "1.25.9", "v1.22.5+k3s1": "1.22.5", "kube-proxy:v1.34.4": "1.34.4", "1.36": "1.36.0", "v1.30.5-eks-abc": "1.30.5",
		"": "unknown", "latest": "unknown", "sha256:12": "unknown",
	} {
		if v, _ := kubeproxy.ParseVersion(text); v.String() != want {
			t.Errorf("%q: %s, want %s", text, v, want)
		}
	}
}

func TestAtLeast(t *testing.T) {
	v := kubeproxy.Version{Major: 1, Minor: 27, Patch: 3}
	for _, tt := range []struct {
		major, minor, patch int
		want                bool
	}{{1, 27, 3, true}, {1, 27, 2, true}, {1, 27, 4, false}, {1, 28, 0, false}, {1, 26, 9, true}, {2, 0, 0, false}, {0, 99, 0, true}} {
		if got := v.AtLeast(tt.major, tt.minor, tt.patch); got != tt.want {
			t.Errorf("%s at least %d.%d.%d: %v", v, tt.major, tt.minor, tt.patch, got)
		}
	}
}
