package handlers_test

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/regrant/regrant/spool"
)

// disk is that of the host on which all processes run.
type disk struct {
	files map[string]*file
	ever  map[string]bool // that were written
	tried map[string]bool // that were written or refused
	full  bool
}

type file struct {
	number int // in the order in which they were written
	data   []byte
	owner  *process // nil: released
}

type spooler struct{ p *process }

func (s *spooler) Put(name string, data []byte) error {
	if bytes.Contains(data, []byte(canary)) {
		s.p.w.t.Error("a secret stands in the spool in the clear")
	}
	w := s.p.w
	w.history.answered()
	w.disk.tried[name] = true
	if w.disk.full || w.fault("disk is full") {
		return errAway
	}
	w.disk.files[name] = &file{len(w.disk.ever), data, s.p}
	w.disk.ever[name] = true
	if w.fault("disk's word is lost") {
		return errAway
	}
	return nil
}

func (s *spooler) Remove(name string) error {
	s.p.w.history.answered()
	s.p.w.judgeRemoved(name)
	if s.p.w.fault("file is not removed") {
		return errAway
	}
	delete(s.p.w.disk.files, name)
	return nil
}

// judgeRemoved: an answer's file goes when what its commit decided is announced. One that
// was kept in the record first may be in several hands.
func (w *world) judgeRemoved(name string) {
	if w.store == nil || w.store.restored || w.store.kept[name] { // no store: a cell of consents
		return
	}
	if n := w.store.decided[name]; uint64(len(w.broker.stored)) < n {
		w.t.Errorf("G4: the answer of attempt %s leaves the disk when %d of %d events are stored", name, len(w.broker.stored), n)
	}
}

func (s *spooler) Release(name string) {
	if f, ok := s.p.w.disk.files[name]; ok && f.owner == s.p {
		f.owner = nil
	}
}

func (s *spooler) Adopt() ([]spool.Entry, error) {
	s.p.w.history.answered()
	var found []spool.Entry
	for _, name := range s.p.w.disk.orphans() {
		f := s.p.w.disk.files[name]
		f.owner = s.p
		found = append(found, spool.Entry{Name: name, Data: f.data})
	}
	return found, nil
}

func (d disk) orphans() []string {
	out := slices.SortedFunc(maps.Keys(d.files), func(a, b string) int { return d.files[a].number - d.files[b].number })
	return slices.DeleteFunc(out, func(name string) bool {
		owner := d.files[name].owner
		return owner != nil && !owner.dead
	})
}

// adopt starts the adoption of what dead processes left.
func (p *process) adopt() *task {
	return p.start(nil, func(ctx context.Context) {
		if err := p.h.Adopt(ctx); err != nil {
			p.w.tell("%s has not finished all that it adopted", p.name)
		}
	})
}
