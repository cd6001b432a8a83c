// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"net/netip"
	"reflect"
	"testing"

	"whohas/dataplane"
)

// TestUnmap: no field is left out, a new one neither.
func TestUnmap(t *testing.T) {
	h := dataplane.Host{}
	ip := netip.MustParseAddr("::ffff:192.0.2.1")
	values := map[reflect.Type]any{reflect.TypeFor[netip.Addr](): ip, reflect.TypeFor[netip.Prefix](): netip.PrefixFrom(ip, 128), reflect.TypeFor[netip.AddrPort](): netip.AddrPortFrom(ip, 1)}
	n := 0
	var walk func(v reflect.Value, f func(reflect.Value))
	walk = func(v reflect.Value, f func(reflect.Value)) {
		if _, is := values[v.Type()]; is {
			f(v)
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), f)
			}
		case reflect.Slice:
			if v.IsNil() {
				v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			}
			for i := range v.Len() {
				walk(v.Index(i), f)
			}
		}
	}
	walk(reflect.ValueOf(&h).Elem(), func(v reflect.Value) { v.Set(reflect.ValueOf(values[v.Type()])); n++ })
	h.Unmap()
	walk(reflect.ValueOf(&h).Elem(), func(v reflect.Value) {
		var got netip.Addr
		switch x := v.Interface().(type) {
		case netip.Addr:
			got = x
		case netip.Prefix:
			if got = x.Addr(); x.Bits() != 32 {
				t.Errorf("%s", x)
			}
		case netip.AddrPort:
			got = x.Addr()
		}
		if !got.Is4() {
			t.Errorf("%s is left", got)
		}
	})
	if n < 19 {
		t.Errorf("%d fields", n)
	}
}
