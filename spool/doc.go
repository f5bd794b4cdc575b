// Package spool keeps a provider's answer on this worker's disk from the moment
// it was read until its effects are stored elsewhere. With one-time refresh
// tokens that answer exists nowhere else: whoever loses it has lost a user's
// consent. Put is therefore the save; the link's record follows.
//
// A spool is a directory per worker under one root, with one journal in it: a line
// for each entry that was put and one for each that was removed. What is in an entry
// is for the caller to encrypt.
//
//	<root>/.lock                     held while a worker starts or takes over another's entries
//	<root>/<worker>/lock             held by a live worker, for as long as it lives
//	<root>/<worker>/<n>.journal      what it holds; the highest n is written to
//	<root>/<worker>/<n>.journal.torn a damaged one, whose whole entries were taken over
//
// An answer is put and removed within a second, so a file for each would cost two
// names made, one removed, and three syncs that others cannot share. In a journal all
// who wait while the disk is busy are written and synced together.
//
// # What survives what
//
// When Put has returned, the entry survives the death of the process, of the
// operating system and of the power supply, on a disk that does what fsync asks:
// the journal is synced after the write, its directory after the journal was made,
// and the parents when Open makes directories.
//
// On Darwin, os.File.Sync asks the drive itself (F_FULLFSYNC). A failed fsync is
// never repeated on the same file: the kernel may have dropped the dirty pages and
// report success the second time. After any failure the next write begins another
// journal with all that this process holds, and so it is when a journal has grown:
// the new one is on disk before the old one is removed. A crash between the two
// leaves both, and the later line of an entry counts.
//
// When entries change directories in Adopt, they are synced in the adopter's journal
// before the old one is removed, so that a crash can leave an entry in both but never
// in neither. Remove syncs nothing: an entry that comes back after a crash is applied
// a second time, and applying is idempotent by attempt.
//
// Every line carries its length and a checksum. What is damaged is passed over and
// kept for a person to look at.
//
// # Who owns what
//
// A worker holds an flock(2) on its directory. The kernel releases it when the
// process ends, however it ends, so a lock that can be taken proves that its worker
// is dead: no time-out, no heart-beat, no pid that may have been reused. It proves
// so on one host only; the root must lie on a local file system.
//
// Directories appear and vanish only under the lock of the root. Without it, a
// worker that starts could lock a file that another, tidying up, is just unlinking,
// and both would think themselves alone. The root's lock is waited for briefly
// (its holders only write a journal) and never for ever: its holder may be stopped.
//
// Within the process, an entry is owned from Put or Adopt until Remove or Release;
// Adopt hands out only what nobody owns.
package spool
