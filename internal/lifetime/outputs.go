package lifetime

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
)

// outputDedup is the broker's window for outputs of one id.
const outputDedup = 2 * time.Minute

// Told is one stored output.
type Told struct {
	events.Address
	Name   events.Name
	Number uint64
	// At is when it was stored.
	At time.Time
	// Body is the CloudEvent; a population does not keep that of token-rotated.
	Body []byte
}

// outputs is the output stream.
type outputs struct {
	subjects events.Subjects
	// brief leaves out the bodies of token-rotated.
	brief bool
	// heard is called with each stored event.
	heard func(Told, map[string][]string)

	mu   sync.Mutex
	of   map[events.Address][]Told
	news map[events.Address]chan struct{}
}

func newOutputs(s events.Subjects) *outputs {
	return &outputs{subjects: s, of: map[events.Address][]Told{}, news: map[events.Address]chan struct{}{}}
}

func (o *outputs) Publish(_ context.Context, m events.Message) error {
	a, name, err := o.subjects.ParseOut(m.Subject)
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(m.Header[events.HeaderSequence][0], 10, 64)
	if err != nil {
		return err
	}
	told := Told{Address: a, Name: name, Number: number, At: time.Now(), Body: m.Data}
	if !o.store(told) {
		return nil
	}
	o.heard(told, m.Header)
	o.wake(a)
	return nil
}

func (o *outputs) store(t Told) (stored bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.of[t.Address]
	for i := len(all) - 1; i >= 0 && t.At.Sub(all[i].At) < outputDedup; i-- {
		if all[i].Number == t.Number {
			return false
		}
	}
	if o.brief && t.Name == events.NameTokenRotated {
		t.Body = nil
	}
	o.of[t.Address] = append(all, t)
	return true
}

// wake lets go on who waits for news of a link, once everybody has heard them.
func (o *outputs) wake(a events.Address) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if news, ok := o.news[a]; ok {
		delete(o.news, a)
		close(news)
	}
}

// Last is the number of the link's last stored event.
func (o *outputs) Last(_ context.Context, a events.Address) (uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if all := o.of[a]; len(all) > 0 {
		return all[len(all)-1].Number, nil
	}
	return 0, nil
}

// about are a link's events so far, in the order in which they were stored.
func (o *outputs) about(a events.Address) []Told {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Told(nil), o.of[a]...)
}

// next is closed at the link's next event.
func (o *outputs) next(a events.Address) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.news[a] == nil {
		o.news[a] = make(chan struct{})
	}
	return o.news[a]
}
