// SPDX-License-Identifier: Apache-2.0

package withdraw

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"whohas/snapshot"
	small "whohas/source/file"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	undoVersion = "whohas/v1"
	undoKind    = "Undo"
	maxUndoFile = 4 << 20
	maxIndex    = 1 << 20
)

// file is the undo file.
type file struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Time       time.Time `json:"time"`
	Server     string    `json:"server"`
	Changes    []change  `json:"changes"`
}

// change is one patch with the way back. Done is written when the server has
// answered; a change that is not done may be.
type change struct {
	Group       string `json:"group,omitzero"`
	Version     string `json:"version"`
	Resource    string `json:"resource"`
	Kind        string `json:"kind"`
	Namespace   string `json:"namespace,omitzero"`
	Name        string `json:"name"`
	UID         string `json:"uid"`
	Subresource string `json:"subresource,omitzero"`
	Done        bool   `json:"done"`
	Back        []move `json:"back"`
}

func changeOf(at place, e snapshot.Edit, p plan) change {
	return change{
		Group: at.Group, Version: at.Version, Resource: at.Resource, Kind: at.Kind, Namespace: at.Namespace, Name: at.Name,
		UID: p.uid, Subresource: e.Subresource, Back: p.back,
	}
}

func (c change) place() place {
	return place{Group: c.Group, Version: c.Version, Resource: c.Resource, Kind: c.Kind, Namespace: c.Namespace, Name: c.Name}
}

// parseUndo reads an undo file: what is not known is refused, it may be what a
// newer whohas needs to get it right.
func parseUndo(text []byte) (file, error) {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return file{}, fmt.Errorf("this is no undo file: %w", err)
	}
	if head.Kind != undoKind || head.APIVersion != undoVersion {
		return file{}, fmt.Errorf("this is %q of %q, not %s of %s: it is for another version of whohas", clean(head.Kind), clean(head.APIVersion), undoKind, undoVersion)
	}
	var f file
	if err := json.Unmarshal(text, &f, json.RejectUnknownMembers(true)); err != nil {
		return file{}, fmt.Errorf("the undo file is damaged: %w", err)
	}
	for i, c := range f.Changes {
		if err := c.valid(); err != nil {
			return file{}, fmt.Errorf("the undo file is damaged: change %d: %w", i+1, err)
		}
	}
	return f, nil
}

func (c change) valid() error {
	if _, err := c.place().path(); err != nil {
		return err
	}
	switch {
	case c.UID == "":
		return errors.New("no uid")
	case c.Subresource != "" && c.Subresource != "status":
		return fmt.Errorf("unknown subresource %q", clean(c.Subresource))
	case len(c.Back) == 0:
		return errors.New("nothing to put back")
	}
	for _, m := range c.Back {
		if err := m.valid(); err != nil {
			return err
		}
	}
	return nil
}

func (m move) valid() error {
	switch {
	case !strings.HasPrefix(m.Path, "/") || m.Key != "" && !strings.HasPrefix(m.Key, "/"):
		return fmt.Errorf("no path: %q", clean(m.Path+m.Key))
	case m.Index != nil && (*m.Index < 0 || *m.Index > maxIndex):
		return fmt.Errorf("no place in a list: %d", *m.Index)
	case m.Value == nil && m.Instead == nil, string(m.Value) == "null", string(m.Instead) == "null":
		return errors.New("a change without a value")
	}
	return nil
}

func (f file) text() ([]byte, error) {
	return json.Marshal(f, jsontext.WithIndent("  "))
}

// readUndo reads a file that is no longer than one can be.
func readUndo(name string) (file, error) {
	text, err := small.Read(name, maxUndoFile)
	if err != nil {
		return file{}, err
	}
	f, err := parseUndo(text)
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// keeping is the undo file while it is written; of a dry run there is none.
type keeping struct {
	name string
	file file
}

// keep makes the file, or says why there can be none, before anything is done.
func keep(o Options, server string) (*keeping, error) {
	k := &keeping{name: o.UndoFile, file: file{APIVersion: undoVersion, Kind: undoKind, Time: time.Now().UTC().Truncate(time.Second), Server: server, Changes: []change{}}}
	switch {
	case o.UndoFile == "" && o.DryRun:
		return k, nil
	case o.UndoFile == "":
		return nil, errors.New("no undo file is named")
	}
	if _, err := os.Lstat(o.UndoFile); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s is there already: it may be the only way back from another repair", o.UndoFile)
		}
		return nil, fmt.Errorf("undo file: %w", err)
	}
	if o.DryRun {
		k.name = ""
		return k, nil
	}
	return k, k.create()
}

// create takes the name. Should this be cut short, nothing has been changed yet.
func (k *keeping) create() error {
	f, err := os.OpenFile(k.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("undo file: %w", err)
	}
	if err := errors.Join(f.Close(), k.save()); err != nil {
		_ = os.Remove(k.name)
		return err
	}
	return nil
}

// sending is called before a patch goes out.
func (k *keeping) sending(c change) error {
	k.file.Changes = append(k.file.Changes, c)
	err := k.save()
	if err != nil { // then it does not go out
		k.file.Changes = k.file.Changes[:len(k.file.Changes)-1]
	}
	return err
}

// sent is called when its fate is known, or is not: what was surely not done needs
// no undoing.
func (k *keeping) sent(done, open bool) error {
	last := len(k.file.Changes) - 1
	switch {
	case done:
		k.file.Changes[last].Done = true
	case open:
		return nil
	default:
		k.file.Changes = k.file.Changes[:last]
	}
	return k.save()
}

// close takes a file away in which nothing is.
func (k *keeping) close() error {
	if k.name == "" || len(k.file.Changes) > 0 {
		return nil
	}
	return os.Remove(k.name)
}

// save replaces the file by a new one that is whole on the disk. A rename is that
// once its directory is written (fsync(2)).
func (k *keeping) save() error {
	text, err := k.file.text()
	if err != nil {
		return fmt.Errorf("undo file: %w", err)
	}
	dir := filepath.Dir(k.name)
	tmp, err := os.CreateTemp(dir, ".whohas-undo-*") // 0600
	if err != nil {
		return fmt.Errorf("undo file: %w", err)
	}
	_, err = tmp.Write(append(text, '\n'))
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("undo file: %w", err)
	}
	if err := os.Rename(tmp.Name(), k.name); err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("undo file: %w", err)
	}
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // not every system and file system can
		_ = d.Close()
	}
	return nil
}
