// Package seal keeps tokens unreadable wherever Regrant stores them, and names
// people without storing who they are.
//
// # Sealing
//
// Keys.Seal encrypts with an AEAD and binds the result to a Binding: what kind of
// value it is, and whose (tenant, provider, link, consent, generation). The
// binding is not stored in the sealed value; whoever opens must say what he
// expects to open. A value that somebody copied to another record, or an old
// generation put back in place of a newer one, therefore does not open at all,
// instead of opening as somebody else's token.
//
// The algorithm is XAES-256-GCM (C2SP) from Tink. Plain AES-256-GCM draws random
// 96-bit nonces, and NIST SP 800-38D ends its safe use at 2^32 messages per key:
// a million links that are refreshed every five minutes get there in fifteen
// days, and workers that share a key have no common counter to draw nonces from
// instead. XAES derives a fresh AES-GCM key from a 192-bit nonce for every
// message, which moves that bound to 2^80 at the price of about a microsecond
// per message: nothing beside the provider call that the message came from.
//
// Several sealing keys live in one Tink keyset. The primary one seals, all of
// them open, so a key can be replaced while values sealed under its predecessors
// are still about: Add makes the next one and gives everybody time to learn of it,
// Promote lets it seal, and Destroy gives up one that nothing needs any more. Edit
// does so to the file. A sealed value says in the clear which key sealed it (KeyOf).
//
// # Naming
//
// Keys.Subject and Keys.User turn identities into an HMAC under one further key,
// because some providers' subject identifiers decode to a login name and a plain
// hash of a short identifier can be guessed back. That key is never rotated:
// these HMACs are index keys. They answer the question whether this login is the
// one that consented before, and the raw identities they would have to be
// computed from anew are sealed in records that may be archived or lost. A leak
// of the key lets the thief test guesses against the index; it opens nothing.
//
// # The keys file
//
// One JSON file holds it all, as clear text: Tink names the package that writes
// it insecurecleartextkeyset, so that nobody does so by accident. Here it is what
// we want. A worker has to start unattended, so whatever would decrypt its key
// file would lie in the next file; the mode 0600, which Load insists on, is the
// protection. The file cannot be made again: without it every sealed token is
// lost and every user has to consent anew. Back it up, apart from the store.
package seal
