// SPDX-License-Identifier: Apache-2.0

package kubeproxy

import (
	"fmt"
	"regexp"
	"strconv"
)

// Version is a Kubernetes version. The zero value is unknown.
type Version struct{ Major, Minor, Patch int }

var versionText = regexp.MustCompile(`v?(\d+)\.(\d+)(?:\.(\d+))?`)

// ParseVersion reads "v1.25.9", "v1.22.5+k3s1" or an image tag.
func ParseVersion(text string) (Version, bool) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return Version{}, false
	}
	v := Version{}
	v.Major, _ = strconv.Atoi(m[1])
	v.Minor, _ = strconv.Atoi(m[2])
	v.Patch, _ = strconv.Atoi(m[3])
	return v, v.Major > 0
}

// String gives "1.25.9", or "unknown".
func (v Version) String() string {
	if v == (Version{}) {
		return "unknown"
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// AtLeast reports whether v is known and not older than the version named.
func (v Version) AtLeast(major, minor, patch int) bool {
	if v.Major != major {
		return v.Major > major
	}
	if v.Minor != minor {
		return v.Minor > minor
	}
	return v.Patch >= patch
}
