package audit

import (
	"strconv"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
)

const (
	// repeatedFor is how long equal refusals are counted before they are told of.
	repeatedFor = time.Minute
	// maxRepeats bounds the memory, a few megabytes, and with it what anybody can write
	// into the audit by asking for links that there are not.
	maxRepeats = 4096
)

// Repeats is a Teller that lets no service fill the audit by asking again and again for
// what it is refused. The first refusal of a bearer is told at once; equal ones of the same
// link are counted, and told as one entry a minute. Refusals of more links than 4,096 at a
// time are counted together, under no link. Whatever else is told goes through as it is.
// It is safe for concurrent use.
type Repeats struct {
	to Teller

	mu sync.Mutex
	of map[refused]*repeat
}

// refused is what makes two refusals equal.
type refused struct {
	events.Address
	outcome string
}

// repeat are the equal refusals since the last of them was told.
type repeat struct {
	since time.Time
	count int
	last  Entry
}

// NewRepeats counts for a Teller. Sweep must be called about once a minute, and Flush at
// the end: a count that is not swept is told with the next refusal.
func NewRepeats(to Teller) *Repeats { return &Repeats{to: to, of: map[refused]*repeat{}} }

// Tell tells an entry, or counts it.
func (r *Repeats) Tell(e Entry) {
	if e.Action != TokenRead || e.Outcome == Served {
		r.to.Tell(e)
		return
	}
	if e, now := r.note(e); now {
		r.to.Tell(e)
	}
}

// note counts a refusal, and returns what is to be told now.
func (r *Repeats) note(e Entry) (Entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	is, ok := r.find(e)
	if !ok {
		return is.last, true
	}
	is.count++
	is.last = e.About(is.address())
	if e.At.Sub(is.since) < repeatedFor {
		return Entry{}, false
	}
	return is.told(e.At), true
}

// find is what a refusal repeats; not ok: it is the first, and noted.
func (r *Repeats) find(e Entry) (is *repeat, ok bool) {
	k := refused{events.Address{Tenant: e.Tenant, Provider: e.Provider, Link: e.Link}, e.Outcome}
	if is, ok = r.of[k]; !ok && len(r.of) >= maxRepeats {
		k.Address = events.Address{}
		is, ok = r.of[k]
	}
	if !ok {
		is = &repeat{since: e.At, last: e.About(k.Address)}
		r.of[k] = is
	}
	return is, ok
}

// Sweep tells the counts that are a minute old, and forgets what was not repeated.
func (r *Repeats) Sweep(now time.Time) {
	r.tell(now, func(is *repeat) bool { return now.Sub(is.since) >= repeatedFor })
}

// Flush tells every count.
func (r *Repeats) Flush() { r.tell(time.Time{}, func(*repeat) bool { return true }) }

func (r *Repeats) tell(now time.Time, over func(*repeat) bool) {
	for _, e := range r.due(now, over) {
		r.to.Tell(e)
	}
}

func (r *Repeats) due(now time.Time, over func(*repeat) bool) (told []Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, is := range r.of {
		switch {
		case !over(is):
		case is.count == 0:
			delete(r.of, k)
		default:
			told = append(told, is.told(now))
		}
	}
	return told
}

func (is *repeat) address() events.Address {
	return events.Address{Tenant: is.last.Tenant, Provider: is.last.Provider, Link: is.last.Link}
}

// told is the entry for what was counted; counting begins anew. Its other words are those
// of the last refusal.
func (is *repeat) told(now time.Time) Entry {
	e := is.last
	e.Details = map[string]string{"refusals": strconv.Itoa(is.count), "since": is.since.UTC().Format(time.RFC3339)}
	is.since, is.count = now, 0
	return e
}
