package clitest

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

func (s servers) cell(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: cell")
	}
	ctx, cancel := limited()
	defer cancel()
	profile, err := providers.Builtin("generic")
	ts.Check(err)
	profile.Rotation, profile.MinInterval = providers.RotationAlways, 0
	c, err := fleet.New(ctx, fleet.Options{
		Dir: ts.MkAbs("."), NATSURL: s.nats, RedisURL: s.redis, Prefix: ts.Getenv("PREFIX"), LockTTL: 2 * time.Second,
		Providers: map[string]fleet.Provider{"op": {Behaviour: providertest.Behaviour{}, Profile: profile}}, Log: slog.New(slog.DiscardHandler),
	})
	ts.Check(err)
	ts.Defer(func() {
		ctx, cancel := limited()
		defer cancel()
		ts.Check(c.Close(ctx))
	})
	of(ts).cell = c
	made, err := c.Import(ctx, "op", 1)
	ts.Check(err)
	for name, value := range map[string]string{
		"LINK": made[0].Link, "BEARER": made[0].AccessToken, "REFRESH": made[0].RefreshToken, "SUB": made[0].Sub, "KEY": fmt.Sprint(c.Keys.Primary()),
	} {
		ts.Setenv(name, value)
	}
	at := c.Sim.Endpoints("op")
	ts.Check(write(ts.MkAbs("."), file{
		nats: s.nats, redis: s.redis, prefix: ts.Getenv("PREFIX"), issuer: at.Issuer, token: at.TokenURL, client: at.ClientID, auth: at.AuthStyle,
	}))
}

func work(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 || of(ts).cell == nil {
		ts.Fatalf("usage: work, after cell")
	}
	ctx, cancel := limited()
	defer cancel()
	w, err := of(ts).cell.Start(ctx, "", nil)
	ts.Check(err)
	ts.Defer(func() {
		ctx, cancel := limited()
		defer cancel()
		ts.Check(w.Stop(ctx))
	})
}
