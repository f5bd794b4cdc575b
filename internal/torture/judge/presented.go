package judge

import (
	"fmt"

	"github.com/regrant/regrant/providers/providertest"
)

const (
	rulePresented = "presented twice"
	ruleRevoked   = "family revoked"
)

// presented holds that a code is shown once, whatever the provider, and a refresh
// token where its provider forbids a repeat. What the provider turned away with an
// answer of its own, unseen, may come again.
func presented(h *History) (all []Breach) {
	seen := map[providertest.TokenKey][]Presentation{}
	for _, p := range h.Presentations {
		if !h.once(p) || turnedAway(p) {
			continue
		}
		key := providertest.TokenKey{Family: p.Family, Serial: p.Serial}
		if seen[key] = append(seen[key], p); len(seen[key]) == 2 {
			first := seen[key][0]
			all = append(all, Breach{rulePresented, fmt.Sprintf("%s of family %s serial %d: presentation %d by %s (%s), then %d by %s %v later",
				p.Kind, p.Family, p.Serial, first.N, h.worker(first), said(first), p.N, h.worker(p), p.At.Sub(first.At))})
		}
	}
	return all
}

// once says that what is presented may be presented once.
func (h *History) once(p Presentation) bool {
	switch p.Kind {
	case providertest.KindCode:
		return p.Family != ""
	case providertest.KindRefresh:
		return p.Family != "" && h.Rules[p.Provider] == Forbidden
	default:
		return false
	}
}

// turnedAway says that the provider answered, and that its answer says that the
// credential was not looked at (RFC 6585 section 4, RFC 6749 section 5.2).
func turnedAway(p Presentation) bool {
	switch p.Outcome {
	case providertest.Throttled, providertest.Client:
		return true
	case providertest.Unprocessed:
		return p.Fault == "before 429" || p.Fault == "before error"
	default:
		return false
	}
}

// revoked holds that no provider ended a family because of us: for a credential
// that came back, or for a code without its proof.
func revoked(h *History) (all []Breach) {
	for _, p := range h.Presentations {
		switch p.Outcome {
		case providertest.ReuseRevoked, providertest.WrongRedirect, providertest.WrongVerifier:
			all = append(all, Breach{ruleRevoked, fmt.Sprintf("family %s at %s by presentation %d of serial %d by %s: %s", p.Family, p.Provider, p.N, p.Serial, h.worker(p), p.Outcome)})
		}
	}
	return all
}

// worker is who presented, as far as the way here tells.
func (h *History) worker(p Presentation) string {
	if w, ok := h.Workers[p.Host]; ok {
		return w
	}
	return "somebody"
}

// said is what became of a presentation, for people.
func said(p Presentation) string {
	what := string(p.Outcome)
	if what == "" {
		what = "no outcome"
	}
	if p.Fault != "" {
		what += ", " + p.Fault
	}
	return what
}
