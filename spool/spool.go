package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

var (
	// ErrLocked means that a live process already works under this worker's name.
	ErrLocked = errors.New("spool is in use")
	// ErrBusy means that another process kept the root's lock beyond gatePatience.
	ErrBusy = errors.New("spool root is locked")
	// ErrClosed is the answer of a Spool after Close.
	ErrClosed = errors.New("spool is closed")
)

// An entry's name is used as a file's, and so is a worker's. The latter may be a
// host name, but never hidden: that is how the root's lock is told from a worker.
var (
	entryName  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	workerName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`)
)

const (
	lockName = "lock"
	gateName = ".lock"
)

// Spool is one worker's directory. It is safe for concurrent use, except that one
// name must not be put and removed at the same time.
type Spool struct {
	root, worker, dir string

	disk   disk
	lock   *flock
	now    func() time.Time
	writes sync.WaitGroup // calls that may write

	adopting  sync.Mutex      // one Adopt at a time
	reported  map[string]bool // paths of leftovers that Adopt has told of; guarded by adopting
	inherited uint64          // the newest journal of this worker's earlier lives

	// writing is held while the journal is written to, and taken before mu.
	writing sync.Mutex
	journal file // nil: the next write begins one
	size    int
	limit   int      // size at which the journal is replaced
	number  uint64   // of the newest journal
	ours    []string // paths of this life's journals that are still there, the newest last

	mu     sync.Mutex
	closed bool
	open   *batch
	live   map[string]*entry // between Put or Adopt and Remove
}

// entry is one answer that is not finished. It is owned between Put or Adopt and
// Remove or Release.
type entry struct {
	record
	owned bool
}

// Open makes root/worker where it is missing and locks it until Close or the end
// of the process. Worker is [A-Za-z0-9._-]{1,64} without a leading dot. A name
// that another live process works under is ErrLocked.
func Open(root, worker string) (*Spool, error) {
	return openOn(osDisk{}, root, worker)
}

func openOn(d disk, root, worker string) (*Spool, error) {
	if !workerName.MatchString(worker) {
		return nil, fmt.Errorf("open spool: worker name %q: use up to 64 of A-Z a-z 0-9 . _ -, no dot in front", worker)
	}
	s := &Spool{
		root: root, worker: worker, dir: filepath.Join(root, worker), disk: d, now: time.Now,
		reported: map[string]bool{}, live: map[string]*entry{}, open: newBatch(),
	}
	var err error
	if s.lock, err = settle(d, root, s.dir); err != nil {
		return nil, fmt.Errorf("open spool %s: %w", s.dir, advise(root, err))
	}
	earlier, err := journalsOf(s.dir)
	if err != nil {
		s.lock.release()
		return nil, fmt.Errorf("open spool %s: %w", s.dir, advise(root, err))
	}
	if len(earlier) > 0 {
		s.inherited = earlier[len(earlier)-1]
		s.number = s.inherited
	}
	return s, nil
}

// settle makes and locks a worker's directory while nobody can take it away.
func settle(d disk, root, dir string) (*flock, error) {
	if err := makeDir(d, root); err != nil {
		return nil, err
	}
	gate, err := passGate(root)
	if err != nil {
		return nil, err
	}
	defer gate.release()
	if err := makeDir(d, dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, lockName)
	lock, err := tryFlock(path)
	if errors.Is(err, errHeld) {
		return nil, fmt.Errorf("%w by process %s; stop it, or give this worker another name", ErrLocked, owner(path))
	}
	if err != nil {
		return nil, err
	}
	lock.sign()
	return lock, nil
}

// makeDir makes path and its missing parents, and syncs the parent even where
// path exists already: the process that made it may not have come to that.
func makeDir(d disk, path string) error {
	parent := filepath.Dir(path)
	if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(d, parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncDir(parent)
}

// Close waits for the calls that are under way and unlocks the directory. What is
// in it is then an orphan, for a sibling or the next life of this worker. Closing
// twice is harmless.
func (s *Spool) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	s.writes.Wait()
	s.adopting.Lock()
	defer s.adopting.Unlock()
	s.finish()
	s.lock.release()
	return nil
}

// finish ends the journal, and takes it away where nothing is left in it.
func (s *Spool) finish() {
	s.writing.Lock()
	defer s.writing.Unlock()
	if len(s.live) > 0 && (s.journal == nil || len(s.open.lines) > 0) {
		_ = s.flush() // what it would save was not saved before, and whoever put it was told
	}
	if s.journal != nil {
		s.abandon()
	}
	if len(s.live) == 0 {
		s.ours = s.removed(s.ours)
	}
}
