package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

const (
	tenant   = "default"
	callback = "https://app.example/callback"
	// visits are under way at the same time at most.
	visits = 8
	// again is how long a user waits for what came of a consent before the next.
	again = 15 * time.Second
)

// visit lets users consent again where they must, now and then where they need not,
// log out, and come for the first time where links have ended.
func (l *Load) visit(ctx context.Context) {
	random, free := l.random(2), make(chan struct{}, visits)
	var all sync.WaitGroup
	defer all.Wait()
	begin := func(v visitor) {
		select {
		case free <- struct{}{}:
			all.Go(func() {
				defer func() { <-free }()
				l.consent(ctx, v)
			})
		case <-ctx.Done():
		}
	}
	every(ctx, 250*time.Millisecond, func() {
		now := time.Now()
		for _, k := range l.asked(now) {
			begin(l.of(k))
		}
		if random.IntN(4) == 0 {
			l.unasked(random, now, begin)
		}
		if random.IntN(10) == 0 {
			l.logout(ctx, random)
		}
		l.newcomers(random, begin)
	})
}

// asked are the links whose users must consent.
func (l *Load) asked(now time.Time) []links.Link {
	return l.table.all(func(e *entry) bool {
		return e.Status == links.ConsentRequired && now.Sub(e.since) > time.Second && now.Sub(e.visiting) > again
	}, func(e *entry) { e.visiting = now })
}

// visitor is who consents, as whom, for what.
type visitor struct {
	events.Address // without a link: for a new one
	user, sub      string
}

// of is the user of a link, with the login that it is of.
func (l *Load) of(k links.Link) visitor { return visitor{k.Address, k.User, l.table.sub(k.Address)} }

// unasked is a user who consents without need; one in eight logs in as somebody else.
func (l *Load) unasked(random *rand.Rand, now time.Time, begin func(visitor)) {
	k, ok := l.table.draw(random, func(e *entry) bool {
		return e.Status == links.Active && now.Sub(e.visiting) > again
	}, func(e *entry) { e.visiting = now })
	if !ok {
		return
	}
	v := l.of(k)
	if random.IntN(8) == 0 {
		v.sub = "other-" + ulid.Make().String()
	}
	begin(v)
}

// newcomers come one at a time for each provider that lacks links.
func (l *Load) newcomers(random *rand.Rand, begin func(visitor)) {
	l.table.forget()
	live := l.table.live()
	for provider := range l.Cell.Config.Providers {
		if live[provider] < l.Links && random.IntN(3) == 0 {
			id := ulid.Make().String()
			begin(visitor{events.Address{Tenant: tenant, Provider: provider}, "user-" + id, "new-" + id})
		}
	}
}

func (l *Load) logout(ctx context.Context, random *rand.Rand) {
	k, ok := l.table.draw(random, func(e *entry) bool { return e.Status == links.Active }, func(*entry) {})
	if ok {
		l.send(ctx, events.LogoutRequested{Address: k.Address, Scope: events.LogoutLink}, nil)
	}
}

// consent is a whole consent, from the application's question to its event. What fails
// on the way, the user gives up and begins anew some other time.
func (l *Load) consent(ctx context.Context, v visitor) {
	if v.sub == "" {
		v.sub = "new-" + ulid.Make().String()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), insist)
	defer cancel()
	var begun api.ConsentBegun
	err := l.Cell.Bus.Request(ctx, l.Cell.Bus.Names().Subjects().API(v.Tenant, api.VerbConsentBegin),
		api.ConsentBegin{Provider: v.Provider, Link: v.Link, User: v.user, RedirectURI: callback}, &begun)
	if err != nil {
		l.count("consents that could not begin", 1)
		return
	}
	back, err := providertest.NewBrowser().Consent(ctx, begun.AuthorizeURL, v.sub)
	if err != nil || back.Code == "" {
		l.count("consents that came to nothing", 1)
		return
	}
	v.Link = begun.Link
	l.table.login(v.Address, v.sub)
	l.send(ctx, events.ReconsentCompleted{
		Address: v.Address, State: back.State, Code: events.Code(back.Code), Iss: back.Iss, User: v.user,
	}, nil)
}

func (v visitor) String() string { return fmt.Sprintf("%s of %s", v.user, v.Address) }
