package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
)

type reconsentCmd struct {
	traced
	Tenant    string        `help:"The link's tenant." default:"default"`
	Provider  string        `help:"The link's provider." required:""`
	Link      string        `help:"The link's id, as consent begin named it." required:""`
	State     string        `help:"The redirect's state; with --code, --code-stdin or --error." xor:"flow"`
	Code      string        `help:"The redirect's code. Others on this machine see it in the list of processes: prefer --code-stdin, or the variable." xor:"how" required:""`
	CodeStdin bool          `help:"Read the redirect's code from standard input." xor:"how" required:""`
	Error     string        `help:"The redirect's error, such as access_denied, where it brought no code." xor:"how" required:""`
	Staging   string        `help:"Id of staged tokens, in place of state and code." xor:"how,flow" required:"" placeholder:"ID"`
	Iss       string        `help:"The redirect's iss." placeholder:"URL"`
	User      string        `help:"The application's user whose browser came back; a flow of another user is refused."`
	Wait      time.Duration `help:"Wait this long for what comes of it, and print the event; exit code 1 where it failed." placeholder:"10s"`
}

func (r *reconsentCmd) Run(ctx context.Context, c *cli.Common) error {
	data, err := r.data(c.In)
	if err != nil {
		return err
	}
	return send(ctx, c, input{role: roleCallback, traced: r.traced, data: data, wait: r.Wait, retry: fmt.Sprintf(
		"begin another with `publisher consent begin --tenant %s --provider %s --link %s`", r.Tenant, r.Provider, r.Link)})
}

func (r *reconsentCmd) data(in io.Reader) (events.ReconsentCompleted, error) {
	d := events.ReconsentCompleted{
		Address: events.Address{Tenant: r.Tenant, Provider: r.Provider, Link: r.Link},
		State:   r.State, Code: events.Code(r.Code), Error: r.Error, Iss: r.Iss, Staging: r.Staging, User: r.User,
	}
	if r.Staging == "" && r.State == "" {
		return d, fmt.Errorf("%w: --state is missing: it stands beside the code, or the error, in the redirect", cli.ErrBadInput)
	}
	if r.CodeStdin {
		code, err := io.ReadAll(io.LimitReader(in, events.MaxSize))
		if err != nil {
			return d, err
		}
		if d.Code = events.Code(strings.TrimSpace(string(code))); d.Code == "" {
			return d, fmt.Errorf("%w: --code-stdin: standard input holds no code", cli.ErrBadInput)
		}
	}
	return d, nil
}

type decidedCmd struct {
	traced
	Tenant   string        `help:"The link's tenant." default:"default"`
	Provider string        `help:"The link's provider." required:""`
	Link     string        `help:"The id of the link that is to be replaced." required:""`
	Consent  uint64        `help:"The consent that link-replacement-held named." required:"" placeholder:"N"`
	Decision string        `help:"What was decided: approve or reject." enum:"approve,reject" required:""`
	Wait     time.Duration `help:"Wait this long for what comes of it, and print the event; exit code 1 where it failed." placeholder:"10s"`
}

func (d *decidedCmd) Run(ctx context.Context, c *cli.Common) error {
	if d.Consent == 0 {
		return fmt.Errorf("%w: --consent: consents count from 1", cli.ErrBadInput)
	}
	in := input{role: roleOperator, traced: d.traced, wait: d.Wait, data: events.LinkReplacementDecided{
		Address: events.Address{Tenant: d.Tenant, Provider: d.Provider, Link: d.Link},
		Consent: d.Consent, Decision: events.Decision(d.Decision),
	}, entry: &audit.Entry{Action: audit.DecideAsked, Details: map[string]string{
		"consent": fmt.Sprint(d.Consent), "decision": d.Decision,
	}}, retry: fmt.Sprintf("`worker links show %s --tenant %s --provider %s` says what is held; a decision on any other consent has no effect", d.Link, d.Tenant, d.Provider)}
	if d.Decision == string(events.DecisionReject) {
		in.wanted = events.ConsentRejected
	}
	return send(ctx, c, in)
}
