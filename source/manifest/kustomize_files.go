// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"whohas/source/document"
	"whohas/source/file"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// mostKustomized bounds what one build reads: kustomize holds all of it, as trees, and
// copies them.
const mostKustomized = 64 << 20

// boundedFS gives kustomize regular files only, none larger than a document may be,
// and no text whose aliases stand for more than anybody writes: kustomize puts what
// they stand for in their places (kyaml yaml/rnode.go deAnchor).
type boundedFS struct {
	filesys.FileSystem
	read *atomic.Int64
}

func withBounds(fs filesys.FileSystem) filesys.FileSystem { return boundedFS{fs, new(atomic.Int64)} }

func (b boundedFS) ReadFile(path string) ([]byte, error) {
	text, err := file.Read(path, document.MaxItem)
	if err != nil {
		return nil, err
	}
	if b.read.Add(int64(len(text))) > mostKustomized {
		return nil, fmt.Errorf("%s: the build reads more than %d MiB", path, mostKustomized>>20)
	}
	if err := document.Aliases(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// Open has kustomize see what ReadFile would read; it opens nothing but to look.
func (b boundedFS) Open(path string) (filesys.File, error) {
	f, err := file.Open(path)
	if err != nil {
		return nil, err
	}
	f.Close()
	return b.FileSystem.Open(path)
}

// regularFiles says what is wrong with a folder's kustomization: kustomize takes one
// that it cannot read for one that is not there.
func regularFiles(dir string) error {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		path := filepath.Join(dir, name)
		text, err := file.Read(path, document.MaxItem)
		if errors.Is(err, file.ErrIrregular) || errors.Is(err, file.ErrLarge) {
			return err
		}
		if err := document.Aliases(text); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
