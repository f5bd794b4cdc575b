// Package canary holds the test of the promise that no secret leaves its place:
// every token, client secret, raw subject, password and API key of a cell is looked
// for wherever anything of the cell is written or said, in every encoding that a
// mistake might give it.
package canary
