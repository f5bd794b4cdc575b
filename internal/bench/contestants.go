package main

import (
	"cmp"

	"github.com/regrant/regrant/internal/bench/contest"
	"github.com/regrant/regrant/internal/bench/stand"
)

// contestant is a way to deal with reports.
type contestant struct {
	name string
	// linked needs records of the links.
	linked bool
	// apart says that a process deals with one provider.
	apart bool
	start func(b *bench, c *stand.Cell, w work) (*stand.Process, error)
}

var (
	bare  = contestant{name: "K", start: own("bare")}
	floor = contestant{name: "F", apart: true, start: own("floor")}
	// exchanges is what the promises cost on this machine whoever keeps them.
	exchanges = contestant{name: "E", linked: true, start: own("exchanges")}
	ours      = contestant{name: "Regrant", linked: true, start: func(_ *bench, c *stand.Cell, _ work) (*stand.Process, error) {
		return c.StartWorker()
	}}
)

// own starts this program in another role.
func own(role string) func(*bench, *stand.Cell, work) (*stand.Process, error) {
	return func(b *bench, c *stand.Cell, w work) (*stand.Process, error) {
		return stand.Start(stand.Command{Name: role, Path: b.self, Args: append([]string{role}, spec(c, w).Args()...), Ready: contest.Ready})
	}
}

// spec says what a contestant works on.
func spec(c *stand.Cell, w work) contest.Spec {
	n, provider := c.Bus.Names(), cmp.Or(w.provider, op)
	return contest.Spec{
		NATSURL: c.Stand.NATSURL, RedisURL: c.Stand.RedisURL, Dir: c.Dir(), Stream: n.In(), Durable: n.WorkerConsumer(provider), Prefix: c.Name, TokenURL: c.Stand.Provider.TokenURL(w.delay),
		ClientID: stand.ClientID, ClientSecret: stand.ClientSecret, Concurrency: stand.Concurrency,
	}
}
