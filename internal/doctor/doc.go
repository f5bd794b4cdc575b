// Package doctor looks at a cell and says what is wrong with it, and what mends it.
//
// Looking and judging are apart. The look_ files ask servers, files and clocks, and
// change nothing that anybody would notice; they return facts. The judge_ files are
// functions of these facts: a finding can be tested without the server that would
// have to be broken for it.
//
// # What the words mean
//
// Unsafe is where a guarantee of Regrant can break. Error is where a worker cannot do
// its work, or something could not be looked at. Warn costs something, and never
// correctness. Unknown is what these credentials cannot see: it is no proof of harm,
// and none of safety either. Every finding that is not OK ends in a sentence that
// mends it: a command, or a line of a configuration.
package doctor
