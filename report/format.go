// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"
	"slices"
	"strings"
)

// Format is a form in which a document can be written: a report, an answer, a diagnosis, a
// plan. Each stands in a file, with the variable that enters it in the list of its document.
type Format[D any] struct {
	Name  string // after -o
	Write func(TextOptions) func(io.Writer, D) error
}

// formats are those of one sort of document. It grows only while the package initialises.
type formats[D any] struct{ list []Format[D] }

// add enters one; its result is for nobody.
func (f *formats[D]) add(name string, write func(TextOptions) func(io.Writer, D) error) struct{} {
	f.list = append(f.list, Format[D]{name, write})
	return struct{}{}
}

// plain is a format that no terminal changes.
func plain[D any](write func(io.Writer, D) error) func(TextOptions) func(io.Writer, D) error {
	return func(TextOptions) func(io.Writer, D) error { return write }
}

// all lists them by name, the text for people first.
func (f *formats[D]) all() []Format[D] {
	list := slices.Clone(f.list)
	slices.SortFunc(list, func(a, b Format[D]) int {
		switch {
		case a.Name == b.Name:
			return 0
		case a.Name == "text":
			return -1
		case b.Name == "text":
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

var (
	reports   formats[*Report]
	answers   formats[*Who]
	diagnoses formats[*Diagnosis]
	repairs   formats[*Repair]
	shields   formats[*Shield]
)

// Formats lists the formats of a check's report.
func Formats() []Format[*Report] { return reports.all() }

// WhoFormats lists those of an answer.
func WhoFormats() []Format[*Who] { return answers.all() }

// DiagnosisFormats lists those of a diagnosis.
func DiagnosisFormats() []Format[*Diagnosis] { return diagnoses.all() }

// RepairFormats lists those of a repair's plan.
func RepairFormats() []Format[*Repair] { return repairs.all() }

// ShieldFormats lists those of a shield's plan.
func ShieldFormats() []Format[*Shield] { return shields.all() }
