// Package api is what services ask Regrant's workers directly, where an event
// would not do: requests and replies in JSON, their limits, and the one error
// that comes back in place of a reply.
//
// Requests travel on <prefix>.api.<tenant>.<verb> (events.Subjects.API), those
// about one link on <prefix>.api.<tenant>.<provider>.<link>.<verb> (APILink). Whom
// a request is about is the subject's to say, never the body's: NATS permissions
// are granted on subjects. Replies go to the asker's own inbox and are stored
// nowhere, which is why they may hold what no event may: a bearer, the state and
// the authorize URL of a consent flow, and, in a request, tokens to be staged. These print as
// [redacted]; their JSON is clear, because to carry them is its one purpose. Never
// log the bytes of a request or of a reply.
//
// Requests are read strictly (Decode): a misspelt field is an error at its author,
// not a flow without a nickname. Replies are read leniently, so that a worker may
// be newer than who asks it.
package api
