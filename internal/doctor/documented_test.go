package doctor_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/internal/doctor"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
)

var passwordOf = regexp.MustCompile(`\$NATS_PASSWORD_([A-Z_]+)`)

// The worker of docs/nats.conf may do all that the doctor tries: a right that is
// missing there, or tried here for nothing, shows.
func TestTheDocumentedWorkerMayDoWhatIsTried(t *testing.T) {
	conf, err := os.ReadFile("../../docs/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := passwordOf.ReplaceAllStringFunc(string(conf), func(name string) string {
		return strings.ToLower(strings.TrimPrefix(name, "$NATS_PASSWORD_"))
	})
	s := &stack{t: t, redis: "redis://127.0.0.1:1/0"}
	url, monitor := startNATS(t, text)
	o := s.unprovisioned(t, as("worker", url), monitor, "regrant")
	provisionAs(t, o, as("admin", url), "admin")
	for _, f := range bad(doctor.Examine(t.Context(), o)) {
		if f.Check != "redis" { // there is none
			t.Errorf("%s %s: %s", f.Check, f.Subject, f.Says)
		}
	}
}

func provisionAs(t *testing.T, o doctor.Options, url, role string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{URL: url, Prefix: o.Config.NATS.Prefix, Role: role, Log: testenv.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close(ctx) }()
	if _, err := b.Provision(ctx, worker.Plan(o.Config)); err != nil {
		t.Fatal(err)
	}
}
