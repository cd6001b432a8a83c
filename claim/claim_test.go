// SPDX-License-Identifier: Apache-2.0

package claim_test

import (
	"reflect"
	"slices"
	"testing"

	"whohas/claim"
	"whohas/snapshot"
)

// TestCompare changes every field of a claim in turn: Compare must tell it from
// the one it was, or the order of reading would show.
func TestCompare(t *testing.T) {
	zero := reflect.ValueOf(claim.Claim{})
	for i := range zero.NumField() {
		for name, c := range changes(t, i) {
			if ab, ba := claim.Compare(claim.Claim{}, c), claim.Compare(c, claim.Claim{}); ab != -1 || ba != 1 {
				t.Errorf("%s: Compare gives %d and %d, want -1 and 1", name, ab, ba)
			}
		}
	}
	a := claim.Claim{Ports: claim.Ports{{Proto: "TCP", Number: 80}}}
	for _, p := range []snapshot.Port{{Proto: "TCP", Number: 443}, {Proto: "UDP", Number: 80}} {
		if b := (claim.Claim{Ports: claim.Ports{p}}); claim.Compare(a, b) != -1 || claim.Compare(b, a) != 1 {
			t.Errorf("Compare does not tell ports %v and %v apart", a.Ports, b.Ports)
		}
	}
}

// changes sets each scalar of one field.
func changes(t *testing.T, field int) map[string]claim.Claim {
	out := map[string]claim.Claim{}
	name := reflect.TypeFor[claim.Claim]().Field(field).Name
	switch name { // what reflect cannot set
	case "Range":
		return map[string]claim.Claim{name: {Range: rng("::")}}
	case "Ports":
		return map[string]claim.Claim{name: {Ports: claim.Ports{{Proto: "TCP", Number: 80}}}}
	}
	var c claim.Claim
	v := reflect.ValueOf(&c).Elem().Field(field)
	set := func(name string, v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			v.SetString("x")
		case reflect.Int:
			v.SetInt(1)
		case reflect.Uint16:
			v.SetUint(1)
		default:
			t.Fatalf("%s: a field of kind %v is new to this test", name, v.Kind())
		}
		out[name] = c
		v.SetZero()
	}
	if v.Kind() != reflect.Struct {
		set(name, v)
		return out
	}
	for i := range v.NumField() {
		set(name+"."+v.Type().Field(i).Name, v.Field(i))
	}
	return out
}

func TestPortsMeet(t *testing.T) {
	dns, web := snapshot.Port{Proto: "UDP", Number: 53}, snapshot.Port{Proto: "TCP", Number: 80}
	dnsTCP := snapshot.Port{Proto: "TCP", Number: 53}
	for _, tt := range []struct {
		a, b, want claim.Ports
		whole      bool
		text       string
	}{
		{nil, nil, nil, true, ""},
		{nil, claim.Ports{web}, claim.Ports{web}, false, "80/TCP"},
		{claim.Ports{dns, web}, claim.Ports{web, dns}, claim.Ports{dns, web}, false, "53/UDP, 80/TCP"},
		{claim.Ports{dns, web}, claim.Ports{dnsTCP, web}, claim.Ports{web}, false, "80/TCP"},
		{claim.Ports{dns}, claim.Ports{dnsTCP}, nil, false, ""},
	} {
		got, whole := tt.a.Meet(tt.b)
		if !slices.Equal(got, tt.want) || whole != tt.whole || got.String() != tt.text {
			t.Errorf("(%v).Meet(%v) = %v, %v; want %v, %v", tt.a, tt.b, got, whole, tt.want, tt.whole)
		}
		if back, whole := tt.b.Meet(tt.a); len(back) != len(got) || whole != tt.whole {
			t.Errorf("(%v).Meet(%v) = %v, %v; the other way it is %v", tt.b, tt.a, back, whole, got)
		}
	}
}

func TestScopeMeets(t *testing.T) {
	cluster, a, b := claim.Scope{}, claim.Scope{Host: "a"}, claim.Scope{Host: "b"}
	aX, aY, bX := claim.Scope{Host: "a", Namespace: "n", Pod: "x"}, claim.Scope{Host: "a", Namespace: "n", Pod: "y"}, claim.Scope{Host: "b", Namespace: "n", Pod: "x"}
	for _, tt := range []struct {
		s, o claim.Scope
		want bool
	}{
		{cluster, cluster, true}, {cluster, a, true}, {cluster, aX, true}, {a, a, true}, {a, aX, true}, {aX, aX, true},
		{a, b, false}, {aX, aY, false}, {aX, bX, false}, {a, bX, false},
	} {
		if tt.s.Meets(tt.o) != tt.want || tt.o.Meets(tt.s) != tt.want {
			t.Errorf("%+v meets %+v: want %v both ways", tt.s, tt.o, tt.want)
		}
	}
}

func TestRoleString(t *testing.T) {
	for r, want := range map[claim.Role]string{
		0: "", claim.Host: "host", claim.Observed: "observed", claim.VIP | claim.Host | claim.ServiceRange: "host,vip,servicerange",
	} {
		if r.String() != want {
			t.Errorf("Role(%d) = %q, want %q", r, r.String(), want)
		}
	}
}
