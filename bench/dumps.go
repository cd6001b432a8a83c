// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// dumps measures the check of what kubectl prints. Half the Pods show that
// memory grows with the claims, and larger Pods that it does not with the bytes.
func (b *bencher) dumps() error {
	promise := goal{least: 100, rss: 200 << 20}
	if _, err := b.dump(b.sizes.full, "check of a dump", b.runs, promise); err != nil {
		return err
	}
	half, err := b.dump(b.sizes.half, "  with half the pods", b.few(), promise)
	if err != nil {
		return err
	}
	// The collector's timing alone moves the peak by some percent.
	promise.rss = half.rss + half.rss/10
	_, err = b.dump(b.sizes.padded, "  and each pod 10 KB larger", b.few(), promise)
	return err
}

func (b *bencher) dump(c *sample, what string, runs int, g goal) (figures, error) {
	bytes, err := c.files.warm()
	if err != nil {
		return figures{}, err
	}
	report := b.tempFile("dump.json")
	f, err := b.repeat(runs, b.whohas, checking(report, "--bundle", c.files.dir)...)
	if err != nil {
		return f, err
	}
	size := fmt.Sprintf("%d pods, %.2f GB", c.Size.Pods, float64(bytes)/1e9)
	b.table.add(row{what: what, size: size, unit: seconds, values: f.walls})
	b.table.add(row{unit: megabytes, values: f.rates(float64(bytes) / 1e6), rss: f.rss, goal: g})
	_, err = b.judge(c, "dump", report)
	return f, err
}
