package lifetime

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"sync"
)

// journal keeps what the workers log: how often each message was logged at Warn or
// above and, unless it is brief, all of the text.
type journal struct {
	brief bool

	mu    sync.Mutex
	text  bytes.Buffer
	loud  map[string]int
	lines slog.Handler
}

func newJournal(brief bool) *journal {
	j := &journal{brief: brief, loud: map[string]int{}}
	j.lines = slog.NewTextHandler(&j.text, &slog.HandlerOptions{Level: slog.LevelDebug})
	return j
}

// Enabled, Handle, WithAttrs and WithGroup make it a slog.Handler.
func (j *journal) Enabled(_ context.Context, l slog.Level) bool {
	return !j.brief || l >= slog.LevelWarn
}

func (j *journal) Handle(ctx context.Context, r slog.Record) error { return j.handle(ctx, r, j.lines) }

func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &page{j, j.lines.WithAttrs(attrs)}
}

func (j *journal) WithGroup(name string) slog.Handler { return &page{j, j.lines.WithGroup(name)} }

func (j *journal) handle(ctx context.Context, r slog.Record, lines slog.Handler) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.Level >= slog.LevelWarn {
		j.loud[r.Message]++
	}
	if j.brief && j.loud[r.Message] > 3 {
		return nil
	}
	return lines.Handle(ctx, r)
}

func (j *journal) all() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// page is a journal with attributes.
type page struct {
	of    *journal
	lines slog.Handler
}

func (p *page) Enabled(ctx context.Context, l slog.Level) bool { return p.of.Enabled(ctx, l) }

func (p *page) Handle(ctx context.Context, r slog.Record) error { return p.of.handle(ctx, r, p.lines) }

func (p *page) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &page{p.of, p.lines.WithAttrs(attrs)}
}

func (p *page) WithGroup(name string) slog.Handler { return &page{p.of, p.lines.WithGroup(name)} }

// Loud is how often each warning and error was logged.
func (w *World) Loud() map[string]int {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	return maps.Clone(w.journal.loud)
}
