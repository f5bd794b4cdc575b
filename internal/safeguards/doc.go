// Command safeguards shows that each safeguard of the procedure is needed, and
// watched: it takes one out of the code at a time, runs the test that names it,
// and expects that test to fail. `make safeguards` runs it.
//
// With -simulate the simulation of the handlers looks for each instead, from the first
// seed on, and the seed that fails goes into docs/simulation.md; -check replays those.
//
// The tree is not touched: the changed file is laid over the real one for one
// `go test` (its flag -overlay). A change whose text is no longer in the code is
// an error, so that the list keeps up with the code.
package main
