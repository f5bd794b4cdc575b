package bus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/nats-io/nats.go"
)

// ErrNotPermitted means that the server refuses what these credentials publish, which
// no repetition cures. The error also is a nats.ErrPermissionViolation.
var ErrNotPermitted = errors.New("not permitted by NATS")

// refusals tells those who wait for an answer that there will be none. The server
// refuses a publish by an error of the connection, which names the subject and no
// message: whoever publishes to that subject at the moment is refused, for the
// credentials are the same.
type refusals struct {
	mu      sync.Mutex
	waiting map[*waiting]struct{}
}

type waiting struct {
	subject string
	refuse  context.CancelCauseFunc
}

func newRefusals() *refusals { return &refusals{waiting: map[*waiting]struct{}{}} }

// watch returns a context that ends, with an ErrNotPermitted as its cause, when the
// server refuses the subject. It is to be begun before the publish, and ended.
func (r *refusals) watch(ctx context.Context, subject string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &waiting{subject: subject, refuse: cancel}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[w] = struct{}{}
	return ctx, func() { r.end(w) }
}

func (r *refusals) end(w *waiting) {
	w.refuse(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, w)
}

// publishTo is how the server words a refusal.
var publishTo = regexp.MustCompile(`Publish to "(\S+)"`)

// heard takes an error of the connection.
func (r *refusals) heard(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	subject := publishTo.FindStringSubmatch(err.Error())
	if subject == nil {
		return
	}
	cause := fmt.Errorf("%w: %w; allow these credentials to publish there: see docs/nats.conf", ErrNotPermitted, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.waiting {
		if w.subject == subject[1] {
			w.refuse(cause)
		}
	}
}

// refused is the server's refusal that ended a context of watch, or nil.
func refused(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrNotPermitted) {
		return cause
	}
	return nil
}
