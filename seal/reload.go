package seal

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// Why a changed keys file is not taken over.
var (
	// ErrForeign: the file has another subject key, so it belongs to another installation.
	ErrForeign = errors.New("keys file belongs to another installation: its subject key is another one")
	// ErrShrunk: the file lacks a key that these keys have, and nobody destroyed it. An old
	// copy was put in its place: what the key sealed would not open any more.
	ErrShrunk = errors.New("keys file lacks a sealing key that it had, and that nobody destroyed")
)

// Reload takes over the keys file if it has changed, and says whether it had. Workers
// call it at an interval, and whenever a value was sealed under a key that they lack:
// so a key that was added, or that seals from now on, needs no restart. A file that
// may not be taken over leaves the keys as they are. Keys that came from no file
// never change.
func (k *Keys) Reload() (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.path == "" {
		return false, nil
	}
	if info, err := os.Stat(k.path); err == nil && k.stamp != nil &&
		os.SameFile(info, k.stamp) && info.ModTime().Equal(k.stamp.ModTime()) && info.Size() == k.stamp.Size() {
		return false, nil
	}
	next, err := Load(k.path)
	if err != nil {
		return false, err
	}
	if next.subject.Reveal() != k.subject.Reveal() {
		return false, fmt.Errorf("%w: %s; put the right file back", ErrForeign, k.path)
	}
	was, is := k.ring.Load(), next.ring.Load()
	if lost := was.lostIn(is); len(lost) > 0 {
		return false, fmt.Errorf("%w: %s lacks %d; put the newest copy back before a worker restarts", ErrShrunk, k.path, lost)
	}
	k.ring.Store(is)
	k.stamp = next.stamp
	return true, nil
}

// lostIn are the keys that another ring neither has nor remembers as destroyed.
func (r *ring) lostIn(other *ring) (lost []uint32) {
	for id := range r.ids {
		if !other.ids[id] && other.notes[id].Destroyed.IsZero() {
			lost = append(lost, id)
		}
	}
	slices.Sort(lost)
	return lost
}
