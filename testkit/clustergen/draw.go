// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"strconv"
	"time"
)

// stream names a sequence of draws. Each object draws by its number, not after
// its predecessor, so any object can be written without those before it.
type stream uint64

const (
	forShuffle stream = iota + 1
	forNode
	forService
	forSlice
	forPod
	forWorkload
	forImage
	forPool
	forConfigMap
	forNamespace
	forSingle
	forCluster
)

// draw is the i-th number of a stream (splitmix64).
func (f *Cluster) draw(s stream, i int) uint64 {
	z := f.size.Seed*0x9e3779b97f4a7c15 + uint64(s)*0xd1342543de82ef95 + uint64(i)
	z = (z ^ z>>32) * 0xd6e8feb86659fd93
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// shuffle orders n numbers at random.
func (f *Cluster) shuffle(part, n int) []int {
	order := make([]int, n)
	for i := range order {
		j := int(f.draw(forShuffle, part<<32|i) % uint64(i+1))
		order[i] = order[j]
		order[j] = i
	}
	return order
}

const hexDigits = "0123456789abcdef"

// appendHex adds n hexadecimal digits that follow from seed.
func appendHex(b []byte, seed uint64, n int) []byte {
	for n > 0 {
		seed = (seed ^ seed>>29) * 0xbf58476d1ce4e5b9
		seed ^= seed >> 32
		for shift := 60; shift >= 0 && n > 0; shift -= 4 {
			b = append(b, hexDigits[seed>>shift&15])
			n--
		}
		seed += 0x9e3779b97f4a7c15
	}
	return b
}

// appendUID adds a random UUID.
func appendUID(b []byte, seed uint64) []byte {
	var digits [32]byte
	d := appendHex(digits[:0], seed, 32)
	d[12], d[16] = '4', "89ab"[d[16]&3]
	b = append(b, d[:8]...)
	for _, part := range [][]byte{d[8:12], d[12:16], d[16:20], d[20:]} {
		b = append(b, '-')
		b = append(b, part...)
	}
	return b
}

func (f *Cluster) uid(s stream, i int) string { return string(appendUID(nil, f.draw(s, i))) }

// nameLetters are those of Kubernetes' generated names.
const nameLetters = "bcdfghjklmnpqrstvwxz2456789"

// appendSuffix adds five letters, different ones for each n below 27^5.
func appendSuffix(b []byte, seed uint64, n int) []byte {
	const all = 27 * 27 * 27 * 27 * 27
	v := (seed%all + uint64(n)*6_700_417) % all
	for range 5 {
		b = append(b, nameLetters[v%27])
		v /= 27
	}
	return b
}

// appendVersion adds a resourceVersion.
func appendVersion(b []byte, seed uint64) []byte {
	return strconv.AppendUint(b, 1_000_000+seed%90_000_000, 10)
}

// epoch is when the first object was made; no clock is read.
var epoch = time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC)

// appendTime adds a moment in the sixty days after the epoch, and some seconds.
func appendTime(b []byte, seed uint64, later int) []byte {
	at := epoch.Add(time.Duration(seed%(60*86400))*time.Second + time.Duration(later)*time.Second)
	return at.AppendFormat(b, time.RFC3339)
}

func (f *Cluster) created(s stream, i int) string { return string(appendTime(nil, f.draw(s, i), 0)) }

func (f *Cluster) version(s stream, i int) string { return string(appendVersion(nil, f.draw(s, i))) }
