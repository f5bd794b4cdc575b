package process

import (
	"bytes"
	"io"
	"sync"
)

// watch keeps and logs what a process prints and tells when a word was seen.
type watch struct {
	log  io.Writer
	word []byte
	tail int
	seen chan struct{}

	mu   sync.Mutex
	kept bytes.Buffer
	hit  bool
}

func newWatch(c Command) *watch {
	w := &watch{log: c.Log, word: []byte(c.Ready), tail: c.Tail, seen: make(chan struct{})}
	_, _ = w.Write(nil) // the empty word is seen at once
	return w
}

func (w *watch) Write(p []byte) (int, error) {
	if len(p) > 0 {
		_, _ = w.log.Write(p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept.Write(p)
	if !w.hit && bytes.Contains(w.kept.Bytes(), w.word) {
		w.hit = true
		close(w.seen)
	}
	if w.tail > 0 && w.kept.Len() > w.tail {
		w.kept.Next(w.kept.Len() - w.tail)
	}
	return len(p), nil
}

func (w *watch) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept.String()
}
