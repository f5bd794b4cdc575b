package testenv

import (
	"io"
	"log/slog"
	"regexp"
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

// serverLog is LogWriter for nats-server and redis-server, without what they only
// tell: of a cell's nine servers it would hide why a test failed.
func serverLog(t testing.TB) io.Writer { return warnings{LogWriter(t)} }

type warnings struct{ to *Writer }

func (w warnings) Write(p []byte) (int, error) {
	kept := strings.Builder{}
	for line := range strings.Lines(string(p)) {
		if !strings.Contains(line, " [INF] ") && !redisTells.MatchString(line) {
			kept.WriteString(line)
		}
	}
	if kept.Len() > 0 {
		_, _ = w.to.Write([]byte(kept.String()))
	}
	return len(p), nil
}

// redisTells matches a line of a redis-server that is no warning: process, role, time
// to the millisecond, level.
var redisTells = regexp.MustCompile(`^\d+:[A-Z] .*\.\d{3} [.*-] `)

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
