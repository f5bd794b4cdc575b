package consents

import "github.com/regrant/regrant/events"

// Policy says what becomes of a link when another login than its own consents.
type Policy string

// The policies.
const (
	// Replace: the new login takes the link's place.
	Replace Policy = "replace"
	// Hold: the link goes on until somebody has decided.
	Hold Policy = "hold"
	// KeepBoth: the new login is a link beside it.
	KeepBoth Policy = "keep_both"
)

// Owner says who holds the login that an answer names, as seen from the link that
// the flow was begun for. A link that has ended holds nothing.
type Owner string

// The owners.
const (
	Nobody    Owner = "nobody"
	Itself    Owner = "itself"
	SameUser  Owner = "same_user"
	OtherUser Owner = "other_user"
)

// Case is all that Judge needs to know.
type Case struct {
	// Live: the requested link has a grant of its own. A new link has none yet, and
	// one that was replaced, superseded or revoked has none any more.
	Live bool
	// Comparison is between the login that consented and the live link's own.
	// Unknown: either names nobody, or they are of different client registrations.
	Comparison events.Comparison
	Owner      Owner
	Policy     Policy
	// Overtaken: the requested link, or whoever holds the login, has a consent that
	// is newer than this one.
	Overtaken bool
}

// Target says which link an answer's tokens go to.
type Target string

// The targets.
const (
	ToNobody    Target = "nobody"
	ToRequested Target = "requested"
	ToOwner     Target = "owner"
	ToReserved  Target = "reserved"
	// ToHold: the reserved link, once somebody has agreed.
	ToHold Target = "hold"
)

// Fate is what becomes of the requested link where the tokens go elsewhere.
type Fate string

// The fates.
const (
	Stays    Fate = "stays"
	Replaced Fate = "replaced"
	IsHeld   Fate = "held"
)

// Verdict is a row of the decision table.
type Verdict struct {
	Target    Target `json:"target"`
	Requested Fate   `json:"requested"`
	// Supersede: the owner of the login loses it.
	Supersede bool `json:"supersede,omitzero"`
}

// Ruling is a verdict on a flow with names in it, as it is written into the flow
// before anything is done about it: whoever resumes must not judge anew on what
// the first half of the work has changed.
type Ruling struct {
	Verdict
	// Number counts the flow's rulings, from 1.
	Number uint64 `json:"no,omitzero"`
	// Link is the link that the tokens go to; the zero Address where none.
	Link events.Address `json:"link"`
	// Displaced are the owners that lose the login, those of earlier rulings
	// included: a claim that was lost may have displaced one already.
	Displaced []events.Address `json:"displaced,omitzero"`
	// Revision is that of the index entry on which the ruling rests.
	Revision   uint64            `json:"revision,omitzero"`
	Comparison events.Comparison `json:"comparison,omitzero"`
}

// Judge is the decision table of reconsent. It is total: every Case has one row.
func Judge(c Case) Verdict {
	switch {
	case c.Overtaken:
		return Verdict{Target: ToNobody, Requested: Stays}
	case !c.Live && c.Owner == SameUser:
		return Verdict{Target: ToOwner, Requested: Replaced}
	case !c.Live, c.Comparison == events.ComparisonSame:
		return Verdict{Target: ToRequested, Requested: Stays, Supersede: c.taken()}
	case c.Comparison == events.ComparisonUnknown && c.Owner != SameUser:
		return Verdict{Target: ToRequested, Requested: Stays, Supersede: c.Owner == OtherUser}
	default:
		return c.otherLogin()
	}
}

// taken says that another link loses the login.
func (c Case) taken() bool { return c.Owner == SameUser || c.Owner == OtherUser }

// otherLogin is the part of the table where a live link's user came back as
// somebody else. A login that the same user has linked already is that link's
// own: it is renewed at once, whatever is to become of the requested one.
func (c Case) otherLogin() Verdict {
	v := Verdict{Target: ToReserved, Requested: Replaced, Supersede: c.Owner == OtherUser}
	if c.Owner == SameUser {
		v.Target = ToOwner
	}
	switch c.Policy {
	case KeepBoth:
		v.Requested = Stays
	case Hold:
		v.Requested = IsHeld
		if v.Target == ToReserved {
			v.Target = ToHold
		}
	}
	return v
}
