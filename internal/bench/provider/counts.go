package provider

import "sync"

// Counts say how often the refresh tokens of one cell were presented.
type Counts struct {
	// Tokens that were presented at all, Presentations of them together, and Most of any one.
	Tokens, Presentations, Most int
}

// PerToken is presentations for each token that was presented: 1 where none was
// presented twice, 0 where none was.
func (c Counts) PerToken() float64 {
	return float64(c.Presentations) / float64(max(1, c.Tokens))
}

// ledger counts presentations by cell and token.
type ledger struct {
	mu    sync.Mutex
	cells map[string]map[Token]int
}

func newLedger() *ledger { return &ledger{cells: map[string]map[Token]int{}} }

// present counts one, and says whether it was the token's first.
func (l *ledger) present(t Token) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	cell := l.cells[t.Cell]
	if cell == nil {
		cell = map[Token]int{}
		l.cells[t.Cell] = cell
	}
	cell[t]++
	return cell[t] == 1
}

// take returns a cell's counts and forgets them.
func (l *ledger) take(cell string) (c Counts) {
	l.mu.Lock()
	tokens := l.cells[cell]
	delete(l.cells, cell)
	l.mu.Unlock()
	for _, times := range tokens {
		c.Tokens++
		c.Presentations += times
		c.Most = max(c.Most, times)
	}
	return c
}
