package links

import (
	"slices"
	"time"
)

// Copy is what is known about the backup that a record was restored from, and about
// what the streams beside it tell of the time that is lost.
type Copy struct {
	// At is when the copy was made, or any later time up to that at which the store was
	// started again. Too late puts more links in doubt; too early leaves some out whose
	// credential was presented since.
	At time.Time
	// Generation and Event are the last that were announced, Due is the number of the
	// armed timer, where their streams know any.
	Generation, Event, Due uint64
	// Sealed is the token set of the record, bound to Generation: wanted where that is
	// higher than the record's.
	Sealed []byte
}

// Fate is what a restored store means for one link.
type Fate string

// The fates.
const (
	// FateNewer: its tokens were asked for after the copy was made. Nothing is in doubt.
	FateNewer Fate = "newer"
	// FateGoesOn: what it would present may be presented at any time.
	FateGoesOn Fate = "goes_on"
	// FateUncertain: its credential may have been presented since.
	FateUncertain Fate = "uncertain"
	// FateWaits: as uncertain, but it waits for its user or for somebody's look anyway.
	FateWaits Fate = "waits"
	// FateEnded: nothing of it is ever presented.
	FateEnded Fate = "ended"
	// FateMarked: an earlier run, or a worker that remembered more, has seen to it.
	FateMarked Fate = "marked"
)

// Restored is the record after its store was restored from a copy. storedAt is the
// store's own time of the revision. Whatever is to be written has a higher DueNumber.
//
// A credential that may be spent is never presented (G1): a refresh token, and one that
// an answer from before the copy would bring. The bearer is served while it may live.
// The verdict is left to the workers, on a timer: by then they may have found an answer
// in a spool, which was not restored. For that the attempts stay listed.
func (l Link) Restored(c Copy, storedAt, now time.Time, r Rules) (Link, Fate) {
	switch {
	case l.since(c.At, storedAt):
		return l.beyond(c.Event, c.Due), FateNewer
	case l.doubtedSince(c.At) && !l.shows(c, r):
		return l.beyond(c.Event, c.Due), FateMarked
	}
	l = l.Settled(c.Event).beyond(max(c.Event, l.EventNumber+lost(c.At, now)), max(c.Due, l.DueNumber+1))
	if c.Generation > l.Generation {
		l = l.Doubt(c.Generation, l.EventNumber, c.Sealed, now, r)
		return l, l.fate()
	}
	l = l.remember(now, changeDoubt, "")
	if l.shows(c, r) {
		l = l.demote(func(k Kept) bool { return !k.At.After(c.At) }).mistrust(now, r)
	}
	return l, l.fate()
}

// Doubt is for a record that is older than what was announced: its store was
// restored from a backup. Generation and event numbers go on from where they
// were, so that neither falls; the credential may have been rotated since, so
// the link is Uncertain unless its provider takes any credential any time.
// sealed is the token set, bound to the generation that is remembered. A link that has
// ended stays so: it was given another consent since, and only its user can repeat that.
func (l Link) Doubt(generation, event uint64, sealed []byte, now time.Time, r Rules) Link {
	l.Generation, l.EventNumber, l.Sealed = generation, max(l.EventNumber, event), sealed
	l.Outbox, l.Attempts, l.FirstIntentAt = nil, nil, time.Time{} // their numbers and claims were taken
	l = l.demote(func(k Kept) bool { return k.Generation < generation }).remember(now, changeDoubt, "")
	l.Refused = l.Refused || len(sealed) == 0 // its first consent is lost: there is no bearer to serve
	switch {
	case l.Status.Ended():
		return l.rearm()
	case r.Replay == Safe:
		l.Status = Active
		return l.schedule(now, DueRetry)
	default:
		return l.suspect(now, r)
	}
}

// fate is what the state of a link says that was seen to.
func (l Link) fate() Fate {
	switch {
	case l.Status.Ended():
		return FateEnded
	case l.Status == ConsentRequired, l.Status == Quarantined:
		return FateWaits
	case l.Status == Uncertain:
		return FateUncertain
	default:
		return FateGoesOn
	}
}

// mistrust withholds what may be spent; a link that waits for its user waits on.
func (l Link) mistrust(now time.Time, r Rules) Link {
	if l.Status == ConsentRequired || l.Status == Quarantined {
		return l.withhold(r)
	}
	return l.suspect(now, r)
}

// suspect makes an unknown outcome of whatever the link was about.
func (l Link) suspect(now time.Time, r Rules) Link {
	l = l.withhold(r)
	l.Status, l.AnswersUntil = Uncertain, now
	if len(l.Attempts) > 0 {
		l.AnswersUntil = now.Add(r.Deadline)
	}
	at, ever := l.verdictAt(now)
	if !ever {
		at = time.Time{}
	}
	return l.schedule(at, DueVerdict)
}

// withhold keeps the refresh token from being presented until an answer brings another.
func (l Link) withhold(r Rules) Link {
	if l.Doomed != "" || l.InDoubt {
		l = l.doubted(r)
	}
	return l.spend(GrantRefreshToken)
}

// since says that the current tokens were asked for after a moment, by the clock of who
// asked and by the store's: the record may have been written again since for any reason,
// and an answer from before may have been committed since. Imports are not asked for.
func (l Link) since(at, storedAt time.Time) bool {
	made := slices.IndexFunc(l.History, func(c Change) bool {
		return c.Generation == l.Generation && c.Consent == l.Consent && slices.Contains(makes, c.What)
	})
	if made < 0 || !storedAt.After(at) || !l.History[made].At.After(at) {
		return false
	}
	return l.History[made].What == changeCreate || l.IssuedAt.After(at)
}

// makes are the changes that make a generation.
var makes = []string{changeCreate, changeCommit, changeConsent}

// doubtedSince says that the current generation was put in doubt after a moment.
func (l Link) doubtedSince(at time.Time) bool {
	return slices.ContainsFunc(l.History, func(c Change) bool {
		return c.What == changeDoubt && c.Generation == l.Generation && c.Consent == l.Consent && c.At.After(at)
	})
}

// shows says whether the link holds anything that is not to be presented twice, and
// may have been presented since the copy.
func (l Link) shows(c Copy, r Rules) bool {
	switch {
	case r.Replay == Safe || l.Status.Ended():
		return false
	case c.Generation > l.Generation, l.Refreshable && !slices.Contains(l.Spent, GrantRefreshToken):
		return true
	default:
		return slices.ContainsFunc(l.Kept, func(k Kept) bool { return k.usable() && !k.At.After(c.At) })
	}
}

// usable says that a kept answer may yet become the current one.
func (k Kept) usable() bool { return k.Kind == KeptCandidate || k.Kind == KeptPending }

// demote keeps what may become the current answer from doing so: what it brought may
// have been current, and presented, in the time that is lost.
func (l Link) demote(old func(Kept) bool) Link {
	l.Kept = slices.Clone(l.Kept)
	for i, k := range l.Kept {
		if k.usable() && old(k) {
			l.Kept[i].Kind = KeptLate
		}
	}
	return l
}

// beyond makes the next event and the next timer pass for none that there was: an
// event is known by its number, to streams and to subscribers, and so is a timer.
func (l Link) beyond(event, due uint64) Link {
	if event <= l.EventNumber && due <= l.DueNumber {
		return l
	}
	l.EventNumber, l.DueNumber = max(l.EventNumber, event), max(l.DueNumber, due)
	return l.rearm()
}

// lost is how many events a link may have had since a moment. None has one a second.
func lost(since, now time.Time) uint64 {
	return uint64(max(0, now.Sub(since)/time.Second)) + 1
}
