package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/regrant/regrant/internal/torture/load"
	"github.com/regrant/regrant/internal/torture/nemesis"
)

// progress tells people what goes on: on a terminal twice a second on one line,
// elsewhere now and then on a line of its own.
type progress struct {
	to    io.Writer
	every time.Duration
	end   string // of what follow writes

	mu     sync.Mutex
	faults int
	last   string
}

func newProgress(to io.Writer, terminal bool) *progress {
	if terminal {
		return &progress{to: to, every: time.Second / 2, end: "\033[K\r"}
	}
	return &progress{to: to, every: 30 * time.Second, end: "\n"}
}

func (p *progress) phase(words string) { fmt.Fprintf(p.to, "%s\n", words) }

func (p *progress) fault(d nemesis.Done) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults++
	p.last = fmt.Sprintf("%s %s", d.Kind, d.Target)
}

func (p *progress) follow(ctx context.Context, name string, length time.Duration, n *nemesis.Nemesis, l *load.Load) {
	begin, ticks := time.Now(), time.NewTicker(p.every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		p.mu.Lock()
		faults, last := p.faults, p.last
		p.mu.Unlock()
		fmt.Fprintf(p.to, "%s: %v of %v; %s; %d faults, %d now, last %s%s",
			name, time.Since(begin).Round(time.Second), length, l.Summary(), faults, n.Active(), last, p.end)
	}
}
