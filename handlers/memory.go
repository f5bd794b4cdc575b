package handlers

import (
	"hash/maphash"
	"math"

	"github.com/regrant/regrant/events"
)

// fact is what this process knows of a link for certain: all of it is stored.
type fact struct {
	generation uint64 // announced
	stored     uint64 // number of the last event known to be in the output stream
	armed      uint64 // number of the last due known to have a timer
}

// memory is a bounded memory of links, 60 to 80 bytes each: a worker remembers a
// million. That rules out their names and a list in order of use: a link goes by 128
// bits of hash under random seeds, of which no two links of a cell share any; and what
// was not used since half the memory was last filled is forgotten at once.
// Not for concurrent use.
type memory struct {
	half       int
	young, old map[factKey]packed
	seeds      [2]maphash.Seed
}

type factKey [2]uint64

// packed is a fact in half the room. A number beyond its range is remembered as a
// lower one, which costs a look and is never wrong.
type packed struct{ generation, stored, armed uint32 }

func pack(f fact) packed {
	short := func(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }
	return packed{short(f.generation), short(f.stored), short(f.armed)}
}

func (p packed) fact() fact {
	return fact{generation: uint64(p.generation), stored: uint64(p.stored), armed: uint64(p.armed)}
}

func newMemory(size int) memory {
	return memory{
		half: max(1, size/2), young: map[factKey]packed{}, old: map[factKey]packed{},
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
	return known.fact()
}

func (m *memory) set(a events.Address, known fact) { m.keep(m.key(a), pack(known)) }

func (m *memory) keep(key factKey, known packed) {
	if _, ok := m.young[key]; !ok && len(m.young) >= m.half {
		clear(m.old)
		m.young, m.old = m.old, m.young // their memory stays
	}
	m.young[key] = known
}

func (m *memory) len() int { return len(m.young) + len(m.old) }
