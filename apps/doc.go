// Package apps is what Regrant knows about its own registrations.
//
// An app is one client registration at one authorization server; several
// providers may share one. When the server refuses the registration itself
// (invalid_client and its kin), that is our fault and concerns every link of the
// app alike: no link is judged, the app is suspended, once, with one alarm, and
// probed with one link a minute until it works again.
//
// # What is in the record, what is in the process
//
// The record (App, one key of a bucket that all workers watch) holds what all must
// agree on and what must survive a restart: whether the app is suspended, since
// when and why; who may probe; until when verdicts on dead grants are held; and
// whether the last change was announced. Each change is a compare-and-set, so that
// of all workers one suspends, one probes, one resumes, and that one knows it.
//
// Everything else is local, because it is about this process or because it would
// cost a write for each refresh: the breaker, which stands between a provider that
// does not answer and this worker's slots and never judges anything; the caution
// with which a worker that has not seen the registration work begins (one attempt
// at a time, so that a wrong secret costs a call per worker and not one per slot);
// and the passes that are under way.
//
// The Keeper joins both. It holds the records in memory by a watch, so asking it
// costs no I/O as long as all is well.
//
// # Clocks
//
// Nobody trusts another host's clock for longer than a restart. A process that saw
// a probe being taken waits one interval of its own monotonic clock before it takes
// the next; only one that found the record when it started looks at the time that
// stands there. So a wrong clock neither stops the probing nor multiplies it. Holds
// of verdicts end in the same manner.
package apps
