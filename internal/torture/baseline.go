package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/process"
	"github.com/regrant/regrant/internal/torture/load"
	"github.com/regrant/regrant/internal/torture/lockonly/bare"
	"github.com/regrant/regrant/links"
)

// baseline begins the fleet that has a lock and no intent. It knows no consents and
// no operators: the load is reports alone.
func (o *ordeal) baseline(ctx context.Context) error {
	js := o.cell.Bus.JetStream()
	store, err := bare.Create(ctx, js)
	if err != nil {
		return err
	}
	o.load, err = load.New(ctx, load.Config{
		Cell: o.cell.Cell, Seed: o.seed, Rate: o.rate, ReportsOnly: true,
		Current: func(ctx context.Context, changed func(links.Stored)) error { return o.follow(ctx, store, changed) },
	})
	if err != nil {
		return err
	}
	for _, k := range kinds {
		for range linksEach {
			l := o.cell.bare(k.name)
			if err := store.Put(ctx, l.Address, bare.Record{Generation: 1, Refresh: l.RefreshToken, Bearer: l.Bearer}); err != nil {
				return err
			}
		}
	}
	path, err := process.Build("./internal/torture/lockonly")
	if err != nil {
		return err
	}
	return o.cell.staff(program{path: path, ready: "lockonly ready"})
}

// bare issues a grant and gives it an address.
func (c *cell) bare(provider string) fleet.Link {
	l := fleet.NewLink(c.sim, provider)
	c.families[l.Family] = l.Address
	return l
}

// follow tells services what a record of the baseline means to them.
func (o *ordeal) follow(ctx context.Context, store bare.Store, changed func(links.Stored)) error {
	wait, err := store.Watch(ctx, func(key string, text []byte) {
		var r bare.Record
		words := strings.Split(key, ".")
		if json.Unmarshal(text, &r) != nil || len(words) != 3 {
			return
		}
		l := links.Link{Address: events.Address{Tenant: words[0], Provider: words[1], Link: words[2]}, Generation: r.Generation, Status: links.Active}
		if r.Dead {
			l.Status = links.ConsentRequired
		}
		changed(links.Stored{Link: l})
	})
	o.watching = wait
	return err
}
