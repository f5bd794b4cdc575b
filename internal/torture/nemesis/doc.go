// Package nemesis decides what is done to a fleet, and does it on time. All of it is a
// schedule that is drawn from a seed before anything begins, so that a seed replays the
// same faults; how each is done, its user says.
package nemesis
