package links

import (
	"time"

	"github.com/regrant/regrant/events"
)

// Exchange is the intent to exchange a code for tokens, and stands in the record
// from before the code is presented until the flow's outcome is in the links that
// it concerns. While it stands, no refresh begins and no grant is called dead: the
// consent may just be replacing it (model: xopen).
type Exchange struct {
	// Flow is the key of the flow's record.
	Flow string `json:"flow"`
	// ID is the flow's own id, which is the consent's.
	ID     string    `json:"id"`
	Worker string    `json:"worker"`
	At     time.Time `json:"at"`
	// Again is when to look at the flow again, where it waits for something that only
	// time brings. Zero: whoever opened it is at it.
	Again time.Time `json:"again,omitzero"`
}

// Await makes the record of a link whose first consent is about to be exchanged:
// it has no tokens yet, and only its user can help.
func Await(a events.Address, user, nickname, clientID string) Link {
	return Link{Version: Version, Address: a, User: user, Nickname: nickname, ClientID: clientID, Status: ConsentRequired}
}

// Open writes the intent of an exchange (model: D_XINTENT). There is one at a
// time: false means that another flow's is open.
func (l Link) Open(x Exchange) (Link, bool) {
	if l.Exchange != nil && l.Exchange.Flow != x.Flow {
		return l, false
	}
	l.Exchange = &x
	return l.rearm(), true
}

// Exchanging says whether the open exchange, if there is one, is this flow's.
func (l Link) Exchanging(flow string) bool { return l.Exchange != nil && l.Exchange.Flow == flow }

// Close ends the exchange of a flow. What waited for its end becomes due by the
// number that it raises.
func (l Link) Close(flow string) Link {
	if !l.Exchanging(flow) {
		return l
	}
	l.Exchange = nil
	return l.rearm()
}

// PutOff leaves the exchange open and sets when its flow is looked at again.
func (l Link) PutOff(flow string, at time.Time) Link {
	if !l.Exchanging(flow) {
		return l
	}
	x := *l.Exchange
	x.Again = at
	l.Exchange = &x
	return l.rearm()
}

// ConsentFailed ends the exchange of a flow that came to nothing, and the hold
// that it may have been approved from. The link is as it was (model: D_XFAIL).
func (l Link) ConsentFailed(x Exchange, reason string, o Origin, now time.Time) Link {
	if l.Hold != nil && l.Hold.Flow == x.Flow {
		l.Hold = nil
	}
	l = l.Close(x.Flow).remember(now, changeFailed, x.ID)
	return l.announce(o, now, events.ConsentFailed{
		Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Consent: l.Consent, Reason: reason,
	})
}
