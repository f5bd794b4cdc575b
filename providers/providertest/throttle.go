package providertest

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Rate is how many requests a token endpoint serves in any Window.
type Rate struct {
	Limit  int
	Window time.Duration
}

// Throttle makes the provider's token endpoint answer 429 until then, with
// Retry-After and without a look at the credential. A time that has passed ends it.
func (s *Server) Throttle(provider string, until time.Time) {
	l := &s.provider(provider).limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = until
}

// limiter turns requests away before anything in them is looked at.
type limiter struct {
	rate Rate

	mu     sync.Mutex
	until  time.Time   // of Throttle
	recent []time.Time // of the last Limit requests that were let in, a ring
	oldest int
}

// wait is how long a client has to stay away; zero lets it in and counts it.
func (l *limiter) wait(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rest := l.until.Sub(now); rest > 0 {
		return rest
	}
	if len(l.recent) < l.rate.Limit {
		l.recent = append(l.recent, now)
		return 0
	}
	if l.rate.Limit == 0 {
		return 0
	}
	if rest := l.recent[l.oldest].Add(l.rate.Window).Sub(now); rest > 0 {
		return rest
	}
	l.recent[l.oldest] = now
	l.oldest = (l.oldest + 1) % l.rate.Limit
	return 0
}

// tooMany is RFC 6585, 4. Whoever waits as long as it says is let in.
func tooMany(rest time.Duration) reply {
	seconds := int((rest + time.Second - 1) / time.Second)
	return reply{
		status: http.StatusTooManyRequests, body: map[string]any{"message": "too many requests"},
		header: map[string]string{"Retry-After": strconv.Itoa(seconds)},
	}
}
