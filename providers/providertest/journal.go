package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// journal is the writing side of the ledger: two NDJSON lines per presentation,
// the arrival and the outcome with the same n. Both calls return when the line
// is on disk.
//
// Commits are grouped: whoever finds a batch open joins it, and one write and
// one fsync serve all who joined while the previous batch was being flushed. So
// a storm costs as many fsyncs as the disk can do, not one for each request.
type journal struct {
	sync func() error // of the file; a seam for counting fsyncs and for failing disks

	disk   sync.Mutex // held while a batch is written; taken before mu
	file   *os.File
	broken error // the first failure; after it nothing is written any more

	mu   sync.Mutex
	last int // highest n given out
	open *batch
}

// batch is the lines that one fsync makes durable.
type batch struct {
	lines bytes.Buffer
	flush sync.Once
	err   error
}

// outcomeLine is the second line of a presentation.
type outcomeLine struct {
	N       int     `json:"n"`
	Outcome Outcome `json:"outcome"`
	Family  string  `json:"family,omitempty"` // only if it began with this

	Settled time.Time `json:"settled"`
	Issued  string    `json:"issued,omitempty"`
	Bearer  string    `json:"bearer,omitempty"`
}

func (p *Presentation) outcomeLine() outcomeLine {
	line := outcomeLine{N: p.N, Outcome: p.Outcome, Settled: p.Settled, Issued: p.Issued, Bearer: p.Bearer}
	if begins(p.Kind) {
		line.Family = p.Family
	}
	return line
}

// openJournal continues the file at path or begins it. A torn last line is cut
// off: its request was never acted upon.
func openJournal(path string) (*journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	seen, whole, err := readLines(file)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err == nil {
		_, err = file.Seek(whole, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("continue ledger %s: %w", path, firstOf(err, file.Close()))
	}
	j := &journal{file: file, sync: file.Sync, open: &batch{}}
	for _, p := range seen {
		j.last = max(j.last, p.N)
	}
	return j, nil
}

// arrival numbers p and makes it durable.
func (j *journal) arrival(p *Presentation) error {
	j.mu.Lock()
	j.last++
	p.N = j.last
	b, err := j.join(p)
	j.mu.Unlock()
	if err != nil {
		return err
	}
	return j.commit(b)
}

// outcome makes the outcome of p durable.
func (j *journal) outcome(p *Presentation, o Outcome) error {
	p.Outcome = o
	j.mu.Lock()
	b, err := j.join(p.outcomeLine())
	j.mu.Unlock()
	if err != nil {
		return err
	}
	return j.commit(b)
}

// join adds a line to the open batch; mu is held, so lines stand in order of n.
func (j *journal) join(line any) (*batch, error) {
	b := j.open
	if err := json.NewEncoder(&b.lines).Encode(line); err != nil {
		return nil, fmt.Errorf("encode ledger line: %w", err)
	}
	return b, nil
}

// commit returns when b is on disk. The first of b's members flushes it, as soon
// as the previous batch lets it; the others wait in the Once.
func (j *journal) commit(b *batch) error {
	b.flush.Do(func() {
		j.disk.Lock()
		defer j.disk.Unlock()
		j.mu.Lock()
		j.open = &batch{} // from here on nobody joins b
		j.mu.Unlock()
		j.broken = j.write(b.lines.Bytes())
		b.err = j.broken
	})
	return b.err
}

// write is the only place that touches the file; disk is held.
func (j *journal) write(lines []byte) error {
	if j.broken != nil {
		return j.broken // a line after a torn one could not be read back
	}
	if _, err := j.file.Write(lines); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	if err := j.sync(); err != nil {
		return fmt.Errorf("fsync ledger: %w", err)
	}
	return nil
}

func (j *journal) close() error {
	j.disk.Lock()
	defer j.disk.Unlock()
	return j.file.Close()
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
