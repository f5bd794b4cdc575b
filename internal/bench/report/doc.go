// Package report holds what a benchmark found, and writes it for people: a table,
// JSON, and a plot of the ratios against their bars.
package report
