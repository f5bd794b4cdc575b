// Package linkstest is the definition of a store of links, as tests: what the
// comments of links.Store, links.Scanner and links.Index promise, a store keeps
// if Run passes, and no store may pass only in part. Flows does the same for
// consents.Store.
//
// The suite judges what callers rely on and nothing else. In particular Get may
// lag, so whatever was just written is read back with Latest, and Watch may
// leave out what a later write to the same link has overtaken.
package linkstest
