package report

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Report is what is kept of runs.
type Report struct {
	When   time.Time `json:"when"`
	Commit string    `json:"commit"`
	// Rounds in which the contestants took turns.
	Rounds int `json:"rounds"`
	// Machine describes itself in one line, Versions what was measured on it.
	Machine  string   `json:"machine"`
	Versions []string `json:"versions"`
	Lines    []Line   `json:"lines"`
}

// The files, in the directory for documents.
const (
	fileJSON     = "performance.json"
	fileMarkdown = "performance.md"
	filePlot     = "performance.svg"
)

// Write writes all three files. Rows that this run left out are kept from the run
// that had them, and say so.
func (r Report) Write(dir string) error {
	old, err := read(filepath.Join(dir, fileJSON))
	if err != nil {
		return err
	}
	r = r.over(old)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, fileJSON), append(text, '\n'), 0o600),
		os.WriteFile(filepath.Join(dir, filePlot), r.plot(), 0o600),
		r.writeMarkdown(filepath.Join(dir, fileMarkdown)),
	)
}

func read(file string) (r Report, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

// over lays a run over an older one.
func (r Report) over(old Report) Report {
	measured := map[int]bool{}
	for _, l := range r.Lines {
		measured[l.Row] = true
	}
	lines := slices.Clone(r.Lines)
	for _, l := range old.Lines {
		if measured[l.Row] {
			continue
		}
		if l.Commit == "" {
			l.Commit, l.When = old.Commit, old.When
		}
		lines = append(lines, l)
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return a.Row - b.Row })
	r.Lines = lines
	return r
}
