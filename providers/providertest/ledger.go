package providertest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// LedgerName is the ledger's file name in Config.Dir.
const LedgerName = "ledger.ndjson"

// Ledger is what was durable when it was opened. It is a snapshot: open again to
// see more. Safe for concurrent use.
type Ledger struct {
	presentations []Presentation // by N
}

// TokenKey names one credential: the n-th refresh token of a family, or its code (0).
type TokenKey struct {
	Family string
	Serial int
}

// OpenLedger reads the file that a running or dead simulator wrote; any process
// may. A torn last line is left out: its request was never acted upon.
func OpenLedger(path string) (*Ledger, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	defer func() { _ = file.Close() }() // only read from
	seen, _, err := readLines(file)
	if err != nil {
		return nil, fmt.Errorf("read ledger %s: %w", path, err)
	}
	return &Ledger{presentations: seen}, nil
}

// Presentations returns those that match, in order of arrival.
func (l *Ledger) Presentations(f Filter) []Presentation {
	var found []Presentation
	for _, p := range l.presentations {
		if f.matches(p) {
			found = append(found, p)
		}
	}
	return found
}

// PerToken counts presentations of each credential, whatever their outcome.
// Credentials that this server never issued are left out, and those that may be
// shown as often as one likes: passwords, API keys and the client's own.
func (l *Ledger) PerToken() map[TokenKey]int {
	counts := map[TokenKey]int{}
	for _, p := range l.presentations {
		if p.Family != "" && !begins(p.Kind) {
			counts[TokenKey{p.Family, p.Serial}]++
		}
	}
	return counts
}

// MaxPerToken returns the credential that was presented most often, and how often.
func (l *Ledger) MaxPerToken() (most TokenKey, times int) {
	for key, n := range l.PerToken() {
		if n > times {
			most, times = key, n
		}
	}
	return most, times
}

// readLines joins arrivals and outcomes, and returns the length in bytes of the
// whole lines before a torn end.
func readLines(from io.Reader) (seen []Presentation, whole int64, err error) {
	lines := bufio.NewReader(from)
	at := map[int]int{} // n → index in seen
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return seen, whole, nil
		}
		if err != nil {
			return nil, 0, err
		}
		if seen, err = appendLine(seen, at, line); err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", number, err)
		}
		whole += int64(len(line))
	}
}

func appendLine(seen []Presentation, at map[int]int, line []byte) ([]Presentation, error) {
	var p Presentation
	if err := json.Unmarshal(bytes.TrimSpace(line), &p); err != nil {
		return nil, err
	}
	if i, arrived := at[p.N]; arrived {
		seen[i].Outcome, seen[i].Settled, seen[i].Issued, seen[i].Bearer = p.Outcome, p.Settled, p.Issued, p.Bearer
		set(&seen[i].Family, p.Family)
		return seen, nil
	}
	if p.Kind == "" {
		return nil, fmt.Errorf("an outcome of presentation %d, which never arrived", p.N)
	}
	at[p.N] = len(seen)
	return append(seen, p), nil
}
