package permissions

import (
	"slices"

	verbs "github.com/regrant/regrant/api"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
)

// worker has what bus, the stores and the API's service do while links live.
func worker(s Scope) []User {
	n, at := s.names(), s.subjects()
	return []User{{
		Publish: slices.Concat(
			[]string{at.InFilterOf(events.Address{}, events.NameLogoutRequested)}, // of a user's other links
			[]string{at.TimerAll(), at.OutAll(), at.DeadAll(), at.CredentialsFilter(events.Address{})},
			audits(at, audit.ByWorkers()), written(buckets(n)),
			ownAPI.look(streams(n)...), ownAPI.read(n.Out(), n.Timer()), ownAPI.read(stored(buckets(n))...),
			ownAPI.take(n.In(), "*"), ownAPI.take(n.Timer(), "*"), ownAPI.follow(stored([]string{n.Links(), n.Apps()})...),
			s.answers(),
		),
		Subscribe: []string{at.APIAny(), at.LiveAll(), monitoring},
		Redis:     workerRedis(s.Prefix),
	}}
}

// answers is where a worker's replies go. The server names who asked from the other
// account by a subject of its own, _R_ and a random word.
func (s Scope) answers() []string {
	all := []string{s.inbox(string(Operator))}
	if !s.Together {
		return append(all, "_R_.>")
	}
	for _, u := range readers(s) {
		all = append(all, s.inbox(s.nameOf(u.Name, Reader)))
	}
	return append(all, s.inbox(string(Callback)))
}

// operator may read records, which are sealed, and write them: import, reseal and marking
// after a restore are writes. It may ask no worker for a bearer.
func operator(s Scope) []User {
	n, at := s.names(), s.subjects()
	kept := []string{n.In(), n.Out(), n.Dead(), n.Audit()}
	again := []string{}
	if s.ReplayTo != "" {
		again = append(again, s.ReplayTo, ownAPI.at("STREAM.LIST")) // whose subject it is, the command looks up
	}
	return []User{{
		Publish: slices.Concat(
			[]string{at.InAll(), at.TimerAll(), at.OutAll()}, again,
			audits(at, slices.DeleteFunc(audit.ByOperators(), func(a audit.Action) bool { return a == audit.Provisioned })),
			[]string{at.APILinkAll(verbs.VerbExplain), at.APILinkAll(verbs.VerbShow), at.APIEveryone(verbs.VerbKeys)},
			written([]string{n.Links(), n.Index(), n.Consents()}),
			[]string{ownAPI.at("INFO")}, ownAPI.look(streams(n)...),
			ownAPI.read(slices.Concat(kept, []string{n.Timer()}, stored([]string{n.Links(), n.Index(), n.Consents()}))...),
			ownAPI.follow(kept...), []string{ownAPI.at("CONSUMER.INFO", n.Timer(), "*"), ownAPI.at("STREAM.MSG.DELETE", n.Dead())},
		),
		Redis: operatorRedis(),
	}}
}

// admin may create and change what a cell consists of, and look at it. A stream that it
// may not read it could still mirror into another: it is trusted with that.
func admin(s Scope) []User {
	n := s.names()
	return []User{{
		Publish: slices.Concat(
			[]string{ownAPI.at("INFO")}, ownAPI.look(streams(n)...),
			each(streams(n), func(stream string) []string {
				return []string{ownAPI.at("STREAM.CREATE", stream), ownAPI.at("STREAM.UPDATE", stream)}
			}),
			ownAPI.make(n.In(), "*"), ownAPI.make(n.Timer(), "*"),
			audits(s.subjects(), []audit.Action{audit.Provisioned}),
		),
	}}
}

func audits(at events.Subjects, actions []audit.Action) []string {
	return each(actions, func(a audit.Action) []string { return []string{at.AuditOf(string(a))} })
}

func buckets(n bus.Names) []string { return []string{n.Links(), n.Index(), n.Consents(), n.Apps()} }

// streams are all that a cell consists of.
func streams(n bus.Names) []string {
	return append([]string{n.In(), n.Timer(), n.Out(), n.Dead(), n.Audit()}, stored(buckets(n))...)
}

// stored are the streams of buckets.
func stored(buckets []string) []string {
	return each(buckets, func(b string) []string { return []string{bus.BucketStream(b)} })
}

// written are the subjects of buckets' keys.
func written(buckets []string) []string {
	return each(buckets, func(b string) []string { return []string{bus.BucketKeys(b)} })
}
