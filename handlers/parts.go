package handlers

import (
	"encoding/json"
	"slices"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/seal"
)

// part is one sealed value of a record: where it belongs, and where it stands.
type part struct {
	at    seal.Binding
	value *[]byte
}

// partsOfLink are the sealed values of a record, which they point into. It must be
// the caller's own: see links.Link.
func partsOfLink(l *links.Link) []part {
	all := []part{{binding(kindTokens, l.Address, l.Consent, l.Generation), &l.Sealed}}
	l.Kept = slices.Clone(l.Kept)
	for i := range l.Kept {
		k := &l.Kept[i]
		all = append(all, part{binding(kindAnswer, l.Address, k.Consent, k.Generation), &k.Sealed})
	}
	return filled(all)
}

// partsOfFlow are the sealed values of a consent flow.
func partsOfFlow(f *consents.Flow) []part {
	return filled([]part{
		{flowBinding(kindFlowSecrets, *f), &f.Secrets},
		{flowBinding(kindFlowAnswer, *f), &f.Answer},
		{flowBinding(kindFlowTokens, *f), &f.Tokens},
	})
}

// filled leaves out what a record does not have.
func filled(all []part) []part {
	return slices.DeleteFunc(all, func(p part) bool { return len(*p.value) == 0 })
}

// KeyCount counts sealed values by the id of the key that sealed them; 0 stands for
// values that name none.
type KeyCount map[uint32]int

func (c KeyCount) add(all []part) {
	for _, p := range all {
		c.sealed(*p.value)
	}
}

func (c KeyCount) sealed(value []byte) {
	id, _ := seal.KeyOf(value) // 0 where it names none
	c[id]++
}

// Spooled counts the answers in spools, by what spool.Held gave.
func (c KeyCount) Spooled(files [][]byte) {
	for _, data := range files {
		var s saved
		if json.Unmarshal(data, &s) != nil || len(s.Sealed) == 0 {
			c[0]++
			continue
		}
		c.sealed(s.Sealed)
	}
}
