// Package tracing begins spans, so that one trace leads from a service's refused
// request through the worker, the provider and the event to whoever reacts to it.
// What passes between processes is the traceparent of CloudEvents (W3C Trace Context).
//
// It knows the API of OpenTelemetry and no SDK: where spans go is for the process to
// say. Without a tracer nothing is begun and nothing allocated, and traceparents pass
// through as they came.
//
// Spans bear names, ids and words of ours. No error's text, no token, code or subject
// goes into one: what an error says may quote what somebody sent.
package tracing
