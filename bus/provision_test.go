package bus_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
)

func TestProvisionIsIdempotentAndVerifies(t *testing.T) {
	t.Parallel()
	b := connect(t, bus.Config{URL: newServer(t).run.URL()})
	plan := bus.Plan{Providers: []string{"op", "bank"}, Budget: short}
	first, err := b.Provision(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Created) != 9+4 || len(first.Updated)+len(first.Unchanged) != 0 {
		t.Fatalf("first run: %+v", first)
	}
	second, err := b.Provision(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Unchanged) != 9+4 || len(second.Created)+len(second.Updated) != 0 {
		t.Fatalf("second run: %+v", second)
	}
	if err := b.Verify(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
}

func TestProvisionKeepsProvidersOfOtherWorkersAndWhatOperatorsTune(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	in, err := b.JetStream().Stream(t.Context(), b.Names().In())
	if err != nil {
		t.Fatal(err)
	}
	tuned := in.CachedInfo().Config
	tuned.MaxBytes, tuned.MaxAge = 1<<30, time.Hour
	if _, err := b.JetStream().UpdateStream(t.Context(), tuned); err != nil {
		t.Fatal(err)
	}
	report, err := b.Provision(t.Context(), bus.Plan{Providers: []string{"mail"}, Budget: short})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(report.Updated, []string{"REGRANT_IN"}) {
		t.Fatalf("updated %v", report.Updated)
	}
	in, err = b.JetStream().Stream(t.Context(), b.Names().In())
	if err != nil {
		t.Fatal(err)
	}
	if got := in.CachedInfo().Config; got.MaxBytes != 1<<30 || got.MaxAge != 30*24*time.Hour {
		t.Fatalf("max bytes %d, max age %v", got.MaxBytes, got.MaxAge)
	}
	known, err := b.Providers(t.Context())
	if err != nil || !slices.Equal(known, []string{"op", "bank", "mail"}) {
		t.Fatalf("providers %v, %v", known, err)
	}
}

func TestVerifyNamesWhatDiffersAndTheCommand(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	plan := bus.Plan{Providers: []string{"op", "bank", "mail"}, Budget: budget.Of(time.Second)}
	err := b.Verify(t.Context(), plan)
	if !errors.Is(err, bus.ErrNotProvisioned) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{
		"stream REGRANT_IN: subject regrant.in.*.mail.> is missing", "consumer worker-mail of REGRANT_IN",
		"consumer worker-op of REGRANT_IN: ack_wait is 400ms, want 2s", "`worker provision`",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

// A stream that can be purged proves nothing: provisioning closes it, and says so.
func TestInspectAndMendAnAuditThatCanBePurged(t *testing.T) {
	t.Parallel()
	b := connect(t, bus.Config{URL: newServer(t).run.URL()})
	plan := bus.Plan{Providers: []string{"op"}, Budget: short}
	open := jetstream.StreamConfig{Name: b.Names().Audit(), Subjects: []string{b.Names().Subjects().AuditAll()}, AllowDirect: true}
	if _, err := b.JetStream().CreateStream(t.Context(), open); err != nil {
		t.Fatal(err)
	}
	differing := func() (names []string, missing int) {
		streams, _ := b.Inspect(t.Context(), plan)
		for _, s := range streams {
			if s.Err != nil && bus.Missing(s.Err) {
				missing++
				continue
			}
			for _, d := range s.Differences() {
				names = append(names, d.Name)
			}
		}
		return names, missing
	}
	names, missing := differing()
	if missing != 8 || !slices.Contains(names, "deny_purge") || !slices.Contains(names, "deny_delete") {
		t.Fatalf("%d streams missing, differences %v", missing, names)
	}
	if _, err := b.Provision(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	if names, missing := differing(); missing != 0 || len(names) != 0 {
		t.Fatalf("after provisioning: %d missing, differences %v", missing, names)
	}
}

func TestVerifyOfAnEmptyServer(t *testing.T) {
	t.Parallel()
	b := connect(t, bus.Config{URL: newServer(t).run.URL()})
	err := b.Verify(t.Context(), bus.Plan{Providers: []string{"op"}})
	if !errors.Is(err, bus.ErrNotProvisioned) || !strings.Contains(err.Error(), "REGRANT_TIMER") {
		t.Fatalf("error %v", err)
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	t.Parallel()
	b := connect(t, bus.Config{URL: newServer(t).run.URL()})
	for name, plan := range map[string]bus.Plan{
		"no provider":  {},
		"a wildcard":   {Providers: []string{"*"}},
		"other prefix": {Prefix: "other", Providers: []string{"op"}},
	} {
		if _, err := b.Provision(t.Context(), plan); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The buckets are laid out by hand: the client library must take them for its own.
func TestBucketsAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	for _, bucket := range []string{b.Names().Links(), b.Names().Index(), b.Names().Consents(), b.Names().Apps()} {
		config := jetstream.KeyValueConfig{Bucket: bucket, History: 1, Storage: jetstream.FileStorage}
		if bucket == b.Names().Consents() {
			config.LimitMarkerTTL = time.Minute
		}
		kv, err := b.JetStream().CreateKeyValue(t.Context(), config) // accepts an existing one only if it is equal
		if err != nil {
			t.Fatalf("%s: %v", bucket, err)
		}
		revision, err := kv.Create(t.Context(), "a.b", []byte("1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Update(t.Context(), "a.b", []byte("2"), revision+1); !errors.Is(err, jetstream.ErrKeyExists) {
			t.Fatalf("update at a wrong revision: %v", err)
		}
	}
}

func TestPrefixNamesEverything(t *testing.T) {
	t.Parallel()
	n := bus.Names{Prefix: "acme.auth"}
	got := []string{n.In(), n.Links(), n.InboxPrefix("worker"), n.Subjects().InAll()}
	want := []string{"ACME_AUTH_IN", "acme_auth_links", "_INBOX_acme_auth_worker", "acme.auth.in.>"}
	if !slices.Equal(got, want) || n.Validate() != nil {
		t.Fatalf("names %v, %v", got, n.Validate())
	}
	for _, bad := range []string{"A", "a..b", "a.>", ".", "a b"} {
		if (bus.Names{Prefix: bad}).Validate() == nil {
			t.Errorf("prefix %q accepted", bad)
		}
	}
}
