// Package million measures what a million links cost: the memory of a worker that
// serves them, its start, and a refresh among them, beside a refresh among a thousand.
// Each population has servers and a worker of its own, so that they share nothing but
// the machine, and they are asked in turns.
package million
