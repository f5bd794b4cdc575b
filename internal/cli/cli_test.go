package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
)

func TestExitCodes(t *testing.T) {
	tests := []struct {
		err  error
		want int
	}{
		{nil, cli.Done},
		{errors.New("anything"), cli.Failed},
		{context.DeadlineExceeded, cli.Failed},
		{bus.ErrNotProvisioned, cli.Failed},
		{cli.ErrBadInput, cli.BadInput},
		{config.ErrConfig, cli.BadInput},
		{bus.ErrMisconfigured, cli.BadInput},
		{bus.ErrUnknownProvider, cli.BadInput},
		{&events.Invalid{Field: "link", Reason: events.FaultMalformed}, cli.BadInput},
		{api.Refuse(api.Invalid, "user: is missing"), cli.BadInput},
		{api.Refuse(api.NotPermitted, "the link is another user's"), cli.NotPermitted},
		{api.Refuse(api.Unavailable, "no worker"), cli.Failed},
		{cli.ErrUnsafe, cli.NotPermitted},
		{nats.ErrAuthorization, cli.NotPermitted},
		{nats.ErrPermissionViolation, cli.NotPermitted},
		{os.ErrPermission, cli.NotPermitted},
	}
	for _, tt := range tests {
		if got := cli.Code(tt.err); got != tt.want {
			t.Errorf("%v: exit code %d, want %d", tt.err, got, tt.want)
		}
		if tt.err == nil {
			continue
		}
		if got := cli.Code(fmt.Errorf("wrapped: %w", tt.err)); got != tt.want {
			t.Errorf("%v, wrapped: exit code %d, want %d", tt.err, got, tt.want)
		}
	}
}

// show is a command that tells what configuration reached it.
type show struct{}

func (show) Run(c *cli.Common) error {
	cfg, err := c.Load()
	if err == nil {
		_, err = fmt.Fprintln(c.Out, cfg.NATS.URL, c.ConnectTimeout)
	}
	return err
}

// Flags go over the environment, which goes over the file.
func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.yaml")
	if err := os.WriteFile(file, []byte("nats: { url: file }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("REGRANT_CONFIG", file)
	shows := func(want string, args ...string) {
		t.Helper()
		var app struct {
			cli.Common
			Show show `cmd:""`
		}
		var out strings.Builder
		code := cli.Run(t.Context(), &app, &app.Common, append([]string{"show"}, args...), cli.IO{Out: &out, Err: io.Discard})
		if code != cli.Done || strings.TrimSpace(out.String()) != want {
			t.Errorf("%v: exit code %d, %q, want %q", args, code, &out, want)
		}
	}
	shows("file 10s")
	t.Setenv("REGRANT_NATS_URL", "environment")
	t.Setenv("REGRANT_CONNECT_TIMEOUT", (2 * time.Second).String())
	shows("environment 2s")
	shows("flag 3s", "--nats-url=flag", "--connect-timeout=3s")
}

// A complaint about the command line does not repeat what may be a secret that
// slipped; what is shorter than any secret it may.
func TestComplaintsLeaveOutWhatWasGiven(t *testing.T) {
	const secret = "s3cr3t \"of\" some length"
	for _, args := range [][]string{{secret}, {"show", secret}, {"show", "--connect-timeout=" + secret}, {"show", "--connect-timeout", secret}, {"show", "shwo"}} {
		var app struct {
			cli.Common
			Show show `cmd:""`
		}
		var said strings.Builder
		code := cli.Run(t.Context(), &app, &app.Common, args, cli.IO{Out: &said, Err: &said})
		if code != cli.BadInput || strings.Contains(said.String(), "s3cr3t") {
			t.Errorf("%q: exit code %d, said %s", args, code, &said)
		}
		if short := args[len(args)-1]; short == "shwo" && !strings.Contains(said.String(), short) {
			t.Errorf("%q: said %s", args, &said)
		}
	}
}
