package doctor

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
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

// rights lists what a worker of the cell needs, by examples within what it uses.
func rights(n bus.Names, tenant string, providers []string) (all []right) {
	s := n.Subjects()
	publish := func(subject, does string) { all = append(all, right{Subject: subject, For: does}) }
	for _, provider := range providers {
		a := events.Address{Tenant: tenant, Provider: provider, Link: probeLink}
		publish(s.In(a, events.NameLogoutRequested), "pass a user's logout on to other links")
		publish(s.Out(a, events.NameTokenRotated), "announce changes")
		publish(s.Timer(a), "arm timers")
		publish(s.Dead(a, events.NameTokenExpired), "put aside what cannot be handled")
		publish(s.Audit(string(audit.TokenRead), a), "write the audit")
		publish("$JS.ACK."+n.In()+"."+n.WorkerConsumer(provider)+".1.0.0.0.0", "acknowledge")
		publish("$JS.ACK._.doctor."+n.In()+"."+n.WorkerConsumer(provider)+".1.0.0.0.0.0", "acknowledge, in the longer form")
		for _, at := range [][2]string{{n.In(), n.WorkerConsumer(provider)}, {n.Timer(), n.DueConsumer(provider)}} {
			publish("$JS.API.CONSUMER.MSG.NEXT."+at[0]+"."+at[1], "take messages")
		}
	}
	for _, bucket := range []string{n.Links(), n.Index(), n.Consents(), n.Apps()} {
		publish("$KV."+bucket+"."+tenant+"."+probeLink, "write records")
		publish("$JS.API.DIRECT.GET.KV_"+bucket+".$KV."+bucket+"."+probeLink, "read records")
		publish("$JS.API.STREAM.MSG.GET.KV_"+bucket, "read records where writes are decided")
	}
	for _, bucket := range []string{n.Links(), n.Apps()} {
		publish("$JS.API.CONSUMER.CREATE.KV_"+bucket+"."+probeLink, "list and watch records")
		publish("$JS.API.CONSUMER.DELETE.KV_"+bucket+"."+probeLink, "end a list or watch")
	}
	for _, stream := range []string{n.Out(), n.Timer()} {
		publish("$JS.API.STREAM.MSG.GET."+stream, "read what was announced and armed last")
	}
	return append(all, listening(n)...)
}

func listening(n bus.Names) (all []right) {
	s := n.Subjects()
	listen := func(subject, does string) {
		all = append(all, right{Subject: subject, For: does, Listens: true})
	}
	listen(s.LiveAll(), "learn what other workers announced")
	for _, subject := range worker.APISubjects(s) {
		listen(subject, "serve the API")
	}
	listen("$SRV.PING", "be found as a service")
	return all
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
	all := rights(n.bus.Names(), tenant, o.Config.ProviderNames())
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
