// Package credentials is how a worker comes by a password that is written nowhere.
//
// Some providers renew a token for a password only, and the password lives in one
// place: the memory of the service that its user logged in at, the owner of the
// session, for as long as the session lasts. At the moment of need the worker asks
// (Ask) and the owner answers (Answer), over a message bus that keeps neither.
//
// The bus is not trusted with the password. An ask carries a public key that was
// made for it, and the answer is sealed to that key (HPKE, RFC 9180, base mode:
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM). The private key never
// leaves the process that asked and is gone when the question is settled, so who
// recorded the exchange can open it neither now nor later. The sealing is bound to
// the link, its generation and the ask's expiry: an answer for another link, or to
// an earlier ask, does not open.
//
// What sealing cannot do is say who asks or answers. That is for the bus's
// permissions: whoever may publish an ask gets the password, whoever may subscribe
// to asks can give a wrong one. Only workers may do the first, only owners the
// second.
//
// Silence is an answer too. An owner that does not hold the session says nothing,
// because another may; an owner that knows the session to be over refuses, and
// nobody waits any longer.
//
// The package does no I/O; package bus carries the messages.
package credentials
