// Package load is everything around a fleet that makes work for it: services that
// report dead bearers, most of them several times over; users who consent anew, log
// out, or come back as somebody else; operators who rotate keys and replay history;
// and whoever sends what no worker can read.
//
// It follows the records to know what to do next. What became of it, the judge finds
// out elsewhere.
package load
