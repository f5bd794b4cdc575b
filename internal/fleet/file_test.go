package fleet_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/providers"
)

func TestAWrittenConfigIsTheCells(t *testing.T) {
	op := hostile(t)
	op.Profile.Replay = providers.Replay{Kind: providers.ReplayGrace, Window: 90 * time.Second}
	cell, err := fleet.New(t.Context(), fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), Prefix: "written", LockTTL: 200 * time.Millisecond,
		Providers: map[string]fleet.Provider{"op": op}, Log: testenv.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cell.Close(context.Background()) }()
	path, err := cell.WriteConfig()
	if err != nil {
		t.Fatal(err)
	}
	read, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	got, want := read.Defaults(), cell.Config
	if got.NATS != want.NATS || got.Redis != want.Redis || got.Keys != want.Keys || got.DataDir != want.DataDir || got.LockTTL != want.LockTTL {
		t.Errorf("read %+v, want %+v", got, want)
	}
	a, b := got.Providers["op"], want.Providers["op"]
	if a.Replay != b.Replay || a.TokenURL != b.TokenURL || a.ClientID != b.ClientID || !reflect.DeepEqual(a.RefreshExpiryFields, b.RefreshExpiryFields) {
		t.Errorf("read %+v, want %+v", a, b)
	}
}
