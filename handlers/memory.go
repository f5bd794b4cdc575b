package handlers

import (
	"hash/maphash"

	"github.com/regrant/regrant/events"
)

// fact is what this process knows of a link for certain: all of it is stored.
type fact struct {
	generation uint64 // announced
	stored     uint64 // number of the last event known to be in the output stream
	armed      uint64 // number of the last due known to have a timer
}

// memory is a bounded memory of links, some 60 bytes each: a worker remembers a
// million. That rules out their names and a list in order of use: a link goes by 128
// bits of hash under random seeds, of which no two links of a cell share any; and what
// was not used since half the memory was last filled is forgotten at once.
// Not for concurrent use.
type memory struct {
	half       int
	young, old map[factKey]fact
	seeds      [2]maphash.Seed
}

type factKey [2]uint64

func newMemory(size int) memory {
	return memory{
		half: max(1, size/2), young: map[factKey]fact{}, old: map[factKey]fact{},
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
}

func (m *memory) key(a events.Address) factKey {
	return factKey{maphash.Comparable(m.seeds[0], a), maphash.Comparable(m.seeds[1], a)}
}

// of returns what is remembered of a link, and keeps it for longer.
func (m *memory) of(a events.Address) fact {
	key := m.key(a)
	known, ok := m.young[key]
	if !ok {
		if known, ok = m.old[key]; ok {
			m.keep(key, known)
		}
	}
	return known
}

func (m *memory) set(a events.Address, known fact) { m.keep(m.key(a), known) }

func (m *memory) keep(key factKey, known fact) {
	if _, ok := m.young[key]; !ok && len(m.young) >= m.half {
		clear(m.old)
		m.young, m.old = m.old, m.young // their memory stays
	}
	m.young[key] = known
}

func (m *memory) len() int { return len(m.young) + len(m.old) }
