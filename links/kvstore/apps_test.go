package kvstore

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links/linkstest"
)

func openApps(t testing.TB, js jetstream.JetStream, name string) *Apps {
	t.Helper()
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: name, History: 1}); err != nil {
		t.Fatal(err)
	}
	s, err := NewApps(t.Context(), js, name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAppsConformance(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	var n atomic.Int64
	linkstest.Apps(t, func(t *testing.T) apps.Store { return openApps(t, js, fmt.Sprint("apps_", n.Add(1))) })
}

func TestNewAppsSaysWhatToDo(t *testing.T) {
	js := connect(t, testenv.NATS(t))
	if _, err := NewApps(t.Context(), js, "test_apps"); err == nil || !strings.HasSuffix(err.Error(), "run `worker provision`") {
		t.Errorf("without a bucket: %v", err)
	}
}

// TestTheWatchOfAppsSurvivesALostConnection: a worker that missed a suspension
// would go on presenting a secret that is refused.
func TestTheWatchOfAppsSurvivesALostConnection(t *testing.T) {
	url := testenv.NATS(t)
	p := newProxy(t, url)
	theirs := openApps(t, connect(t, url), "test_apps")
	ours, err := NewApps(t.Context(), connect(t, p.url()), "test_apps")
	if err != nil {
		t.Fatal(err)
	}
	ours.bucket.beat, ours.bucket.tryFor = 250*time.Millisecond, 250*time.Millisecond
	told, over := make(chan apps.Stored, 16), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); <-over })
	go func() { defer close(over); _ = ours.Watch(ctx, func(v apps.Stored) { told <- v }) }()

	a := apps.New("op")
	revision, err := theirs.Create(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	<-told
	lost := p.loseReplies()
	a = linkstest.SampleApp("op")
	if _, err := theirs.Update(t.Context(), a, revision); err != nil {
		t.Fatal(err)
	}
	<-lost // what the server said of it went nowhere
	p.heal()
	for v := range told {
		if v.App.Suspended() {
			return
		}
	}
}
