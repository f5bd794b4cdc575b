package bus_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/regrant/regrant/bus"
)

func TestConnectGivesUpWithItsContextAndShowsNoPassword(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), short.Heartbeat)
	defer cancel()
	_, err := bus.Connect(ctx, bus.Config{URL: "nats://user:" + canary + "@127.0.0.1:1,nats://" + canary + "@127.0.0.1:2"})
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Fatalf("error %v", err)
	}
}

func TestConnectWaitsForItsServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	address := s.run.URL()
	s.stop()
	connected := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		b, err := bus.Connect(ctx, bus.Config{URL: address})
		if err == nil {
			err = errors.Join(b.Ready(), b.Close(ctx))
		}
		connected <- err
	}()
	s.start()
	if err := next(t, "the connection", connected); err != nil {
		t.Fatal(err)
	}
}

func TestConnectNamesAMissingCredentialsFile(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := bus.Connect(ctx, bus.Config{URL: newServer(t).run.URL(), Creds: t.TempDir() + "/missing.creds"})
	if err == nil || !strings.Contains(err.Error(), "missing.creds") || !strings.Contains(err.Error(), "nats.creds") {
		t.Fatalf("error %v", err)
	}
}

func TestABadPrefixIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := bus.Connect(t.Context(), bus.Config{URL: "nats://127.0.0.1:1", Prefix: "a.>"}); err == nil {
		t.Fatal("accepted")
	}
}

func TestACutDrainStillCloses(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{URL: newServer(t).run.URL()})
	if err != nil {
		t.Fatal(err)
	}
	gone, cancelGone := context.WithCancel(ctx)
	cancelGone()
	_ = b.Close(gone) // whichever comes first
	if !b.Conn().IsClosed() {
		t.Fatal("not closed")
	}
	if b.Ready() == nil {
		t.Fatal("ready after the end")
	}
}
