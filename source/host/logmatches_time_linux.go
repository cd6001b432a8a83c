// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// auditTime finds the time of a line of the audit log: seconds since 1970, and the
// number of the event (linux kernel/audit.c audit_log_start).
var auditTime = regexp.MustCompile(`\baudit\(([0-9]{1,12})\.[0-9]{1,3}:[0-9]+\)`)

// fileTime is when a line of a log file was written; zero: not known. A time that
// names no zone is of the host's, and one that names no year of the last one in
// which it is not to come.
func (n *logMatches) fileTime(line string) time.Time {
	if first, _, _ := strings.Cut(line, " "); len(first) > len(time.DateOnly) && first[len(time.DateOnly)] == 'T' {
		if at, err := time.Parse(time.RFC3339, first); err == nil { // fractions are taken, too
			return at
		}
	}
	if strings.Contains(line, "audit(") {
		if m := auditTime.FindStringSubmatch(line); m != nil {
			seconds, _ := strconv.ParseInt(m[1], 10, 64) // of twelve digits at most
			return time.Unix(seconds, 0)
		}
	}
	if n.zone == nil {
		return time.Time{}
	}
	if len(line) > len(time.Stamp) { // syslog's
		if at, ok := n.ofYear(time.Stamp, line[:len(time.Stamp)]); ok {
			return at
		}
	}
	const klog = "0102 15:04:05" // behind the letter of its severity (klog header.go)
	if len(line) > len(klog) && strings.IndexByte("IWEF", line[0]) >= 0 {
		if at, ok := n.ofYear(klog, line[1:1+len(klog)]); ok {
			return at
		}
	}
	return time.Time{}
}

func (n *logMatches) ofYear(layout, text string) (time.Time, bool) {
	at, err := time.ParseInLocation(layout, text, n.zone)
	if err != nil {
		return time.Time{}, false
	}
	now := n.now.In(n.zone)
	dated := time.Date(now.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, n.zone)
	if dated.After(now.Add(24 * time.Hour)) {
		dated = time.Date(now.Year()-1, at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, n.zone)
	}
	return dated, true
}

// containerLine takes apart a line of a container's log: of CRI, TIME stdout F TEXT
// (kubernetes pkg/kubelet/kuberuntime/logs/logs.go parseCRILog), or of Docker, an
// object of JSON (parseDockerJSONLog).
func containerLine(line string) (time.Time, string) {
	if strings.HasPrefix(line, "{") {
		var docker struct {
			Log  string    `json:"log"`
			Time time.Time `json:"time"`
		}
		if err := json.Unmarshal([]byte(line), &docker); err != nil {
			return time.Time{}, line // cut, for example
		}
		return docker.Time, strings.TrimRight(docker.Log, "\n")
	}
	parts := strings.SplitN(line, " ", 4)
	at, err := time.Parse(time.RFC3339, parts[0])
	if err != nil || len(parts) < 4 {
		return time.Time{}, line
	}
	return at, parts[3]
}

// ring is the head of a line of the kernel's buffer.
type ring struct {
	facility int // 0: the kernel itself
	since    time.Duration
	timed    bool
}

// ringHead is <PRIORITY>[SECONDS.MICROSECONDS], the time only where printk.time is
// set (linux kernel/printk/printk.c info_print_prefix), and with a thread or a
// processor behind it where that was built in.
var ringHead = regexp.MustCompile(`^<([0-9]{1,4})>(?:\[ *([0-9]{1,9})\.([0-9]{6})\])?`)

func parseRing(line string) (ring, bool) {
	m := ringHead.FindStringSubmatch(line)
	if m == nil {
		return ring{}, false
	}
	priority, err := strconv.Atoi(m[1])
	if err != nil {
		return ring{}, false
	}
	r := ring{facility: priority >> 3, timed: m[2] != ""}
	if r.timed {
		since, err := time.ParseDuration(m[2] + "." + m[3] + "s")
		r.since, r.timed = since, err == nil
	}
	return r, true
}
