package demo

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress shows how far one phase after the other is. Set may be called from
// many goroutines and with numbers out of order; the highest one counts.
type Progress interface {
	Begin(what string, total int)
	Set(done int)
	End()
}

// silent is the Progress that shows nothing.
type silent struct{}

func (silent) Begin(string, int) {}
func (silent) Set(int)           {}
func (silent) End()              {}

// Lines is a Progress for files and pipes: a line at each quarter of a phase.
type Lines struct {
	W io.Writer

	mu             sync.Mutex
	what           string
	total, quarter int
}

// Begin starts a phase.
func (l *Lines) Begin(what string, total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.what, l.total, l.quarter = what, max(1, total), 0
}

// Set prints a line if another quarter is done.
func (l *Lines) Set(done int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if quarter := done * 4 / l.total; quarter > l.quarter {
		l.quarter = quarter
		fmt.Fprintf(l.W, "%s: %d of %d\n", l.what, done, l.total)
	}
}

// End ends a phase.
func (l *Lines) End() {}

// redraw is the least time between two drawings of a bar.
const redraw = 50 * time.Millisecond

// Bar is a Progress for terminals.
type Bar struct {
	W io.Writer

	mu   sync.Mutex
	bar  *progressbar.ProgressBar
	done int
}

// Begin starts a phase.
func (b *Bar) Begin(what string, total int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = 0
	b.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(b.W), progressbar.OptionSetDescription(fmt.Sprintf("%-21s", what)),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(redraw), progressbar.OptionUseANSICodes(true))
}

// Set moves the bar forward.
func (b *Bar) Set(done int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if done > b.done {
		b.done = done
		_ = b.bar.Set(done) // what cannot be drawn is not worth failing for
	}
}

// End leaves the bar as it is and goes to the next line.
func (b *Bar) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.bar.Exit()
}
