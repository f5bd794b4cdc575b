// Package load is a fleet of reporters in one process: it reports links at a
// steady rate, whatever becomes of the reports, and measures how long each link's
// token-rotated took to come. A report that is slow does not delay the next.
package load
