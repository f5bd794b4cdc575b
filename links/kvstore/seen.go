package kvstore

import (
	"hash/maphash"
	"slices"
)

// seenChunk is how many keys are kept in one piece of memory: one that grew would be
// copied, and be there twice.
const seenChunk = 1 << 14

// seen tells a key that was written again, and so moved to the end, from one that has
// not had its turn, by eight bytes of each: a hash under a random seed, which no two
// keys of a bucket share but once in millions of walks.
type seen struct {
	seed maphash.Seed
	// before are the keys up to the last settle, each chunk in order; now those since,
	// where no key comes twice.
	before, now [][]uint64
}

func newSeen() seen { return seen{seed: maphash.MakeSeed()} }

// add notes a key and says whether it was not there at the last settle.
func (s *seen) add(key string) bool {
	hash := maphash.String(s.seed, key)
	for _, chunk := range s.before {
		if _, found := slices.BinarySearch(chunk, hash); found {
			return false
		}
	}
	last := len(s.now) - 1
	if last < 0 || len(s.now[last]) == seenChunk {
		s.now = append(s.now, nil)
		last++
	}
	s.now[last] = append(s.now[last], hash)
	return true
}

// settle has the keys since the last settle known too.
func (s *seen) settle() {
	for _, chunk := range s.now {
		slices.Sort(chunk)
	}
	s.before, s.now = append(s.before, s.now...), nil
}
