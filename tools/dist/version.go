// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// described is what git describe says of a commit: a tag, and what came after it.
var described = regexp.MustCompile(`^v(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.]+)??(?:-(\d+)-(g[0-9a-f]+))?(-dirty)?$`)

// ordered makes of git's name a semantic version, without the v, that dpkg, rpm, helm and
// krew all place where it belongs: after the tag below it, and before the next, as the go
// command's pseudo-versions. Without a tag the commit's time decides.
func ordered(name string, date time.Time) string {
	m := described.FindStringSubmatch(name)
	if m == nil {
		hash, dirty := strings.CutSuffix(name, "-dirty")
		return "0.0.0-0." + date.UTC().Format("20060102150405") + ".g" + hash + mark(dirty)
	}
	major, minor, patch, pre, since, hash, dirty := m[1], m[2], m[3], m[4], m[5], m[6], m[7] != ""
	if since == "" && !dirty {
		return major + "." + minor + "." + patch + pre
	}
	if since == "" {
		since = "0"
	}
	if hash != "" {
		hash = "." + hash
	}
	if pre != "" { // v1.2.3-rc.1: what follows comes before rc.2
		return major + "." + minor + "." + patch + pre + ".0." + since + hash + mark(dirty)
	}
	n, _ := strconv.Atoi(patch)
	return major + "." + minor + "." + strconv.Itoa(n+1) + "-0." + since + hash + mark(dirty)
}

func mark(dirty bool) string {
	if dirty {
		return ".dirty"
	}
	return ""
}
