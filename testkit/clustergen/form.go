// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"embed"
	"strings"
)

// The large objects are mostly the same text, so they are kept as text in
// kubectl's layout with ${slots}, and writing one is little more than a copy.
//
//go:embed templates
var templates embed.FS

// form is a text with slots: texts[0] slots[0] texts[1] slots[1] ... texts[n].
type form struct {
	texts, slots []string
}

// readForm reads a template; indent is put before each line but the first.
func readForm(name, indent string) form {
	raw, err := templates.ReadFile("templates/" + name)
	if err != nil {
		panic(err) // a file of this package that was not compiled in
	}
	rest := strings.ReplaceAll(strings.TrimSuffix(string(raw), "\n"), "\n", "\n"+indent)
	var f form
	for {
		text, after, more := strings.Cut(rest, "${")
		f.texts = append(f.texts, text)
		if !more {
			return f
		}
		var slot string
		slot, rest, _ = strings.Cut(after, "}")
		f.slots = append(f.slots, slot)
	}
}

// append adds the text, each slot filled by fill.
func (f form) append(b []byte, fill func(b []byte, slot string) []byte) []byte {
	for i, slot := range f.slots {
		b = append(b, f.texts[i]...)
		b = fill(b, slot)
	}
	return append(b, f.texts[len(f.slots)]...)
}

// forms are the templates of one cluster.
type forms struct {
	node, daemonSet                                form
	podWeb, podWorker, podState                    form
	podKubeProxy, podCalico, podSpeaker, podStatic form
}

func readForms() forms {
	const inList = "        "
	return forms{
		node:         readForm("node.json", inList),
		daemonSet:    readForm("daemonset.json", inList),
		podWeb:       readForm("pod-web.json", inList),
		podWorker:    readForm("pod-worker.json", inList),
		podState:     readForm("pod-state.json", inList),
		podKubeProxy: readForm("pod-kube-proxy.json", inList),
		podCalico:    readForm("pod-calico-node.json", inList),
		podSpeaker:   readForm("pod-speaker.json", inList),
		podStatic:    readForm("pod-static.json", inList),
	}
}
