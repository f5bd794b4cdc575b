package testenv

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// Log returns a logger that writes to the test's log, all levels. Entries that
// come after the test has ended, where testing itself would panic, are dropped.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(LogWriter(t), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// LogWriter is Log for what writes bytes, such as a child process.
func LogWriter(t testing.TB) *Writer {
	w := &Writer{t: t}
	t.Cleanup(w.end)
	return w
}

// Writer writes to a test's log as long as the test lasts.
type Writer struct {
	mu sync.Mutex
	t  testing.TB // nil once the test has ended
}

// Write logs p as one entry. It never fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(strings.TrimRight(string(p), "\n"))
	}
	return len(p), nil
}

func (w *Writer) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}
