// Package examples has no code of its own. Beside it are two services that use
// Regrant, one in Go with package client and one in Node with nothing of ours but
// the documents in schemas; its tests run both against a cell, and hold what passes
// between them against those documents.
package examples
