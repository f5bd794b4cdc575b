package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Position is how far a run has come, kept in a file so that it can be resumed.
type Position struct {
	Run       string    `json:"run"`
	Selection Selection `json:"selection"`
	// Done is the last sequence of history that is done.
	Done uint64 `json:"done"`
	// Stored is a sequence of the stream of inputs before which this run's own are known:
	// what a run that was killed had published lies after it.
	Stored uint64 `json:"stored,omitempty"`
	Counts Counts `json:"counts"`
}

// Counts are what became of the messages so far.
type Counts struct {
	Total    uint64            `json:"total"`
	Seen     uint64            `json:"seen"`
	Replayed uint64            `json:"replayed"`
	Left     uint64            `json:"left"` // not replayed: a replay itself, or what nobody could read
	Verdicts map[string]uint64 `json:"verdicts,omitempty"`
	Calls    uint64            `json:"calls,omitempty"`
}

// Save writes the file whole or not at all.
func (p Position) Save(file string) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Load reads what Save wrote.
func Load(file string) (p Position, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p); err != nil || p.Run == "" || p.Selection.Last == 0 {
		return p, errors.Join(fmt.Errorf("%w: %s is not the position of a replay", ErrSelection, file), err)
	}
	return p, nil
}
