// Command bench measures how near Regrant is to the limit of the machine it runs
// on: `make bench`. Servers, contestants and load are processes of their own.
// Contestants take turns, each on streams of its own that were filled before; the
// figures that count are ratios within a round, and their median over the rounds.
// What is measured stands in rows.go, what it is measured against in package
// contest and, for what others would write, in the module rivals.
package main
