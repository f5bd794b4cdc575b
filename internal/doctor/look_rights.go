package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/permissions"
	"github.com/regrant/regrant/internal/worker"
)

// right is something that a worker must be allowed to do on NATS.
type right struct {
	// Subject that is published or listened to; For is what a worker does by it.
	Subject, For string
	Listens      bool
	// Denied is the server's answer. Err is why there was none.
	Denied bool
	Err    error
}

// probeLink is a link that does not exist, and probeStream a stream.
const (
	probeLink   = "worker-doctor"
	probeStream = "worker-doctor"
)

// rights lists what a worker is granted, each by an example of what it uses: rights that
// somebody narrowed to the cell's tenants and providers are enough.
func rights(n bus.Names, tenant string, providers []string) (all []right, err error) {
	users, err := permissions.For(permissions.Scope{Prefix: n.Prefix}, permissions.Worker)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		for _, pattern := range u.Publish {
			for _, subject := range examples(n, tenant, providers, pattern) {
				all = append(all, right{Subject: subject, For: purpose(n, pattern)})
			}
		}
		for _, pattern := range u.Subscribe {
			for _, subject := range examples(n, tenant, providers, pattern) {
				all = append(all, right{Subject: subject, For: purpose(n, pattern), Listens: true})
			}
		}
	}
	return all, nil
}

// examples are subjects of a pattern: those that a worker uses, where they can be told,
// else any. Where replies go is left out, for no cell has all of that; and so is the
// asking for passwords, which would ask.
func examples(n bus.Names, tenant string, providers []string, pattern string) (some []string) {
	if strings.HasPrefix(pattern, "_") || pattern == n.Subjects().CredentialsFilter(events.Address{}) {
		return nil
	}
	for _, provider := range providers {
		for _, subject := range used(n.Subjects(), events.Address{Tenant: tenant, Provider: provider, Link: probeLink}) {
			if covers(pattern, subject) {
				some = append(some, subject)
			}
		}
	}
	for i := 0; i < len(providers) && !strings.HasPrefix(pattern, n.Subjects().Prefix+"."); i++ {
		some = append(some, filled(n, tenant, providers[i], pattern))
	}
	slices.Sort(some)
	return slices.Compact(some)
}

// used are the cell's own subjects.
func used(s events.Subjects, a events.Address) []string {
	all := []string{
		s.In(a, events.NameLogoutRequested), s.Out(a, events.NameTokenRotated), s.Timer(a),
		s.Dead(a, events.NameTokenExpired), s.DeadOf(s.Out(a, events.NameTokenRotated)), s.LiveAll(),
	}
	for _, action := range audit.ByWorkers() {
		all = append(all, s.Audit(string(action), a))
	}
	return append(all, worker.APISubjects(s)...)
}

// covers says whether a pattern matches a subject, which may be a pattern itself.
func covers(pattern, subject string) bool {
	words := strings.Split(subject, ".")
	for i, word := range strings.Split(pattern, ".") {
		switch {
		case word == ">":
			return i < len(words)
		case i >= len(words), word != "*" && word != words[i]:
			return false
		}
	}
	return strings.Count(pattern, ".") == strings.Count(subject, ".")
}

// filled is a subject of JetStream or of a bucket.
func filled(n bus.Names, tenant, provider, pattern string) string {
	words := strings.Split(pattern, ".")
	for i, word := range words {
		switch {
		case word == ">" && words[0] == "$KV":
			words[i] = tenant + "." + probeLink
		case word == ">" && words[1] == "ACK":
			words[i] = "1.0.0.0.0" + strings.Repeat(".0", min(1, strings.Count(pattern, "*")-1))
		case word == ">", word == "*" && i == 3 && words[1] == "ACK" && words[2] == "_":
			words[i] = probeLink
		case word != "*":
		case words[i-1] == "ACK":
			words[i] = "_"
		case words[i-1] == n.In():
			words[i] = n.WorkerConsumer(provider)
		case words[i-1] == n.Timer():
			words[i] = n.DueConsumer(provider)
		default:
			words[i] = probeLink
		}
	}
	return strings.Join(words, ".")
}

// purpose is what a worker does by a right, to complete "a worker could not".
func purpose(n bus.Names, pattern string) string {
	s := n.Subjects()
	for _, p := range []struct{ begins, does string }{
		{strings.TrimSuffix(s.InAll(), ">"), "pass a user's logout on to other links"},
		{strings.TrimSuffix(s.OutAll(), ">"), "announce changes"},
		{strings.TrimSuffix(s.TimerAll(), ">"), "arm timers"},
		{strings.TrimSuffix(s.DeadAll(), ">"), "put aside what cannot be handled"},
		{strings.TrimSuffix(s.AuditAll(), ">"), "write the audit"},
		{strings.TrimSuffix(s.LiveAll(), ">"), "learn what other workers announced"},
		{strings.TrimSuffix(s.APIAny(), ">"), "serve the API"},
		{"$SRV.", "be found as a service"},
		{"$KV.", "write records"},
		{"$JS.ACK.*", "acknowledge, in the longer form"},
		{"$JS.ACK.", "acknowledge"},
		{"$JS.API.STREAM.INFO.", "see that all is provisioned"},
		{"$JS.API.CONSUMER.INFO.", "see that all is provisioned"},
		{"$JS.API.CONSUMER.MSG.NEXT.", "take messages"},
		{"$JS.API.CONSUMER.", "list and watch records"},
	} {
		if strings.HasPrefix(pattern, p.begins) {
			return p.does
		}
	}
	return "read what is stored"
}

// try tries a worker's rights. Nothing comes of it: what is published names a stream
// that does not exist, so that every other refuses it, and asks nobody for a reply.
func (n *natsConn) try(ctx context.Context, o Options) []right {
	if o.Role != "worker" {
		return nil
	}
	tenant := "default"
	if len(o.Config.Tenants) > 0 {
		tenant = o.Config.Tenants[0]
	}
	ctx, cancel := n.limited(ctx)
	defer cancel()
	all, err := rights(n.bus.Names(), tenant, o.Config.ProviderNames())
	if err != nil {
		return []right{{Subject: n.bus.Names().Prefix, Err: err}}
	}
	for i := range all {
		all[i].Denied, all[i].Err = n.denied(ctx, all[i])
	}
	return all
}

// denied says what the server did. It reports a violation before it answers the ping
// of a flush, and the client keeps the last one.
func (n *natsConn) denied(ctx context.Context, r right) (bool, error) {
	conn := n.bus.Conn()
	if r.Listens {
		sub, err := conn.Subscribe(r.Subject, func(*nats.Msg) {})
		if err != nil {
			return false, err
		}
		defer func() { _ = sub.Unsubscribe() }() // fails where it was denied
	} else if err := conn.PublishMsg(probe(r.Subject)); err != nil {
		return false, err
	}
	if err := conn.FlushWithContext(ctx); err != nil {
		return false, err
	}
	last := conn.LastError()
	return last != nil && strings.Contains(last.Error(), `"`+r.Subject+`"`), nil
}

// probe asks for nothing that could be done: a message of a stream that is not there,
// a consumer of another stream, the progress of what was never delivered.
func probe(subject string) *nats.Msg {
	m := nats.NewMsg(subject)
	switch {
	case strings.HasPrefix(subject, "$JS.ACK."):
		m.Data = []byte("+WPI")
	case strings.HasPrefix(subject, "$JS.API.STREAM.MSG.GET."):
		m.Data = []byte(`{"last_by_subj":"` + probeLink + `"}`)
	case strings.HasPrefix(subject, "$JS.API.CONSUMER.CREATE."):
		m.Data = []byte(`{"stream_name":"` + probeStream + `","config":{}}`)
	case !strings.HasPrefix(subject, "$JS.API."):
		m.Header.Set(jetstream.ExpectedStreamHeader, probeStream)
	}
	return m
}
