// Package canary holds the test of the promise that no secret leaves its place:
// every token, client secret and raw subject of a cell is looked for wherever
// anything of the cell is written, in every encoding that a mistake might give it.
package canary
