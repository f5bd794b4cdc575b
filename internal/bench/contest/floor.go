package contest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/bench/provider"
)

// Floor is F: consume, call the provider, publish, acknowledge. It returns when
// ctx has ended and what was under way is done.
func Floor(ctx context.Context, s Spec, out io.Writer) error {
	kept := &http.Transport{MaxIdleConns: s.Concurrency, MaxIdleConnsPerHost: s.Concurrency}
	return s.pooled(ctx, out, kept, func(_ context.Context, f *floor) (func(jetstream.Msg), error) { return f.handle, nil })
}

// pooled handles messages as many at a time as the concurrency allows, with what build returns.
func (s Spec) pooled(ctx context.Context, out io.Writer, transport *http.Transport, build func(context.Context, *floor) (func(jetstream.Msg), error)) error {
	conn, js, err := s.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	handle, err := build(ctx, &floor{Spec: s, js: js, subjects: events.Subjects{Prefix: s.Prefix}, client: &http.Client{Transport: transport}})
	if err != nil {
		return err
	}
	free := make(chan struct{}, s.Concurrency)
	var calls sync.WaitGroup
	err = s.consume(ctx, js, out, func(m jetstream.Msg) {
		free <- struct{}{}
		calls.Go(func() {
			handle(m)
			<-free
		})
	})
	calls.Wait()
	if err != nil {
		return err
	}
	return conn.Flush()
}

type floor struct {
	Spec
	js       jetstream.JetStream
	subjects events.Subjects
	client   *http.Client
}

// handle leaves a message unacknowledged that it could not finish: it comes again.
func (f *floor) handle(m jetstream.Msg) {
	a, _, err := f.subjects.ParseIn(m.Subject())
	if err != nil {
		_ = m.Term()
		return
	}
	if f.refresh(a) == nil && f.announce(a) == nil {
		_ = m.Ack()
	}
}

func (f *floor) refresh(a events.Address) error {
	t := provider.Token{Cell: f.Prefix, Link: a.Provider + "-" + a.Link, Generation: 1}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh()}}
	req, err := http.NewRequest(http.MethodPost, f.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(f.ClientID, f.ClientSecret)
	res, err := f.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the provider answered %s", res.Status)
	}
	return nil
}

// announce publishes an event as large as a worker's.
func (f *floor) announce(a events.Address) error {
	e, err := events.NewOutput("//floor", 2, time.Now(), events.Trace{}, events.TokenRotated{
		Address: a, Generation: 2, PreviousGeneration: 1, Consent: 1, Cause: events.CauseRefresh, Comparison: events.ComparisonUnknown,
	})
	if err != nil {
		return err
	}
	out, err := f.subjects.OutputMessage(e)
	if err != nil {
		return err
	}
	stored, err := f.js.PublishMsgAsync(&nats.Msg{Subject: out.Subject, Header: nats.Header(out.Header), Data: out.Data}, jetstream.WithStallWait(time.Minute))
	if err != nil {
		return err
	}
	select {
	case <-stored.Ok():
		return nil
	case err := <-stored.Err():
		return err
	}
}
