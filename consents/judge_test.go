package consents_test

import (
	"slices"
	"testing"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
)

// row is one line of the decision table: what it is about, and what becomes of it.
type row struct {
	name string
	when func(consents.Case) bool
	want consents.Verdict
}

// table is the one of the design, with a line for each policy. Beyond it are the
// lines of consents that were overtaken, of an index that is behind the records,
// and of a login that cannot be compared but is known to be another link's.
var table = slices.Concat(
	[]row{
		{"overtaken", func(c consents.Case) bool { return c.Overtaken },
			consents.Verdict{Target: consents.ToNobody, Requested: consents.Stays}},

		{"new, nobody's", fresh(consents.Nobody, consents.Itself),
			consents.Verdict{Target: consents.ToRequested, Requested: consents.Stays}},
		{"new, M's of the same user", fresh(consents.SameUser),
			consents.Verdict{Target: consents.ToOwner, Requested: consents.Replaced}},
		{"new, M's of another user", fresh(consents.OtherUser),
			consents.Verdict{Target: consents.ToRequested, Requested: consents.Stays, Supersede: true}},

		{"same login", live(events.ComparisonSame, consents.Nobody, consents.Itself),
			consents.Verdict{Target: consents.ToRequested, Requested: consents.Stays}},
		{"same login, the index names another link", live(events.ComparisonSame, consents.SameUser, consents.OtherUser),
			consents.Verdict{Target: consents.ToRequested, Requested: consents.Stays, Supersede: true}},

		{"not comparable", live(events.ComparisonUnknown, consents.Nobody, consents.Itself),
			consents.Verdict{Target: consents.ToRequested, Requested: consents.Stays}},
		{"not comparable, M's of another user", live(events.ComparisonUnknown, consents.OtherUser),
			consents.Verdict{Target: consents.ToRequested, Requested: consents.Stays, Supersede: true}},
	},
	byPolicy("not comparable, M's of the same user", live(events.ComparisonUnknown, consents.SameUser), consents.Verdict{Target: consents.ToOwner}),
	byPolicy("other login, nobody's", live(events.ComparisonDifferent, consents.Nobody, consents.Itself), consents.Verdict{Target: consents.ToReserved}),
	byPolicy("other login, M's of the same user", live(events.ComparisonDifferent, consents.SameUser), consents.Verdict{Target: consents.ToOwner}),
	byPolicy("other login, M's of another user", live(events.ComparisonDifferent, consents.OtherUser),
		consents.Verdict{Target: consents.ToReserved, Supersede: true}),
)

// byPolicy makes three lines of one: the policy decides on the requested link,
// and a link that is to be made waits with it.
func byPolicy(name string, when func(consents.Case) bool, v consents.Verdict) []row {
	under := func(p consents.Policy) func(consents.Case) bool {
		return func(c consents.Case) bool { return when(c) && c.Policy == p }
	}
	replace, hold, both := v, v, v
	replace.Requested, hold.Requested, both.Requested = consents.Replaced, consents.IsHeld, consents.Stays
	if v.Target == consents.ToReserved {
		hold.Target = consents.ToHold
	}
	return []row{
		{name + ": replace", under(consents.Replace), replace},
		{name + ": hold", under(consents.Hold), hold},
		{name + ": keep both", under(consents.KeepBoth), both},
	}
}

// fresh matches a link without a grant: there is nothing to compare with, and no policy.
func fresh(owners ...consents.Owner) func(consents.Case) bool {
	return func(c consents.Case) bool { return !c.Overtaken && !c.Live && slices.Contains(owners, c.Owner) }
}

func live(comparison events.Comparison, owners ...consents.Owner) func(consents.Case) bool {
	return func(c consents.Case) bool {
		return !c.Overtaken && c.Live && c.Comparison == comparison && slices.Contains(owners, c.Owner)
	}
}

// cases are all that there are.
func cases() (all []consents.Case) {
	for _, overtaken := range []bool{false, true} {
		for _, live := range []bool{false, true} {
			for _, comparison := range []events.Comparison{events.ComparisonSame, events.ComparisonDifferent, events.ComparisonUnknown} {
				for _, owner := range []consents.Owner{consents.Nobody, consents.Itself, consents.SameUser, consents.OtherUser} {
					for _, policy := range []consents.Policy{consents.Replace, consents.Hold, consents.KeepBoth} {
						all = append(all, consents.Case{Live: live, Comparison: comparison, Owner: owner, Policy: policy, Overtaken: overtaken})
					}
				}
			}
		}
	}
	return all
}

// TestTable: every case has exactly one line, and Judge follows it.
func TestTable(t *testing.T) {
	used := map[string]int{}
	for _, c := range cases() {
		var matching []string
		for _, r := range table {
			if !r.when(c) {
				continue
			}
			matching = append(matching, r.name)
			used[r.name]++
			if got := consents.Judge(c); got != r.want {
				t.Errorf("%+v (%s): %+v, want %+v", c, r.name, got, r.want)
			}
		}
		if len(matching) != 1 {
			t.Errorf("%+v has the lines %q, want one", c, matching)
		}
	}
	for _, r := range table {
		if used[r.name] == 0 {
			t.Errorf("no case has the line %q", r.name)
		}
	}
}

// TestVerdictsAreOfAPiece: what holds whatever the table says. Each of these
// would lose or give away a login.
func TestVerdictsAreOfAPiece(t *testing.T) {
	for _, c := range cases() {
		v := consents.Judge(c)
		for broken, is := range map[string]bool{
			"an owner is superseded that is none":                  v.Supersede && (c.Owner == consents.Nobody || c.Owner == consents.Itself),
			"the owner is superseded by his own tokens":            v.Supersede && v.Target == consents.ToOwner,
			"tokens go to another user's link":                     v.Target == consents.ToOwner && c.Owner != consents.SameUser,
			"another user keeps a login that somebody else has":    !v.Supersede && c.Owner == consents.OtherUser && !c.Overtaken,
			"a link that gets the tokens is ended or held":         v.Target == consents.ToRequested && v.Requested != consents.Stays,
			"a link ends for tokens that nobody gets":              v.Target == consents.ToNobody && v.Requested != consents.Stays,
			"a link is held without the policy":                    (v.Requested == consents.IsHeld || v.Target == consents.ToHold) && c.Policy != consents.Hold,
			"a link waits for a decision that nobody is asked for": v.Target == consents.ToHold && v.Requested != consents.IsHeld,
			"a consent that was overtaken changes something":       c.Overtaken && v != (consents.Verdict{Target: consents.ToNobody, Requested: consents.Stays}),
		} {
			if is {
				t.Errorf("%+v: %+v: %s", c, v, broken)
			}
		}
	}
}
