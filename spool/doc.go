// Package spool keeps a provider's answer on this worker's disk from the moment
// it was read until its effects are stored elsewhere. With one-time refresh
// tokens that answer exists nowhere else: whoever loses it has lost a user's
// consent. Put is therefore the save; the link's record follows.
//
// A spool is a directory per worker under one root, and an entry is one small
// file in it. What is in the file is for the caller to encrypt.
//
//	<root>/.lock                     held while a worker starts or takes over another's files
//	<root>/<worker>/lock             held by a live worker, for as long as it lives
//	<root>/<worker>/<name>.sealed    an entry
//	<root>/<worker>/<name>.*.tmp     an entry that is being written
//
// # What survives what
//
// When Put has returned, the entry survives the death of the process, of the
// operating system and of the power supply, on a disk that does what fsync asks.
// Three syncs stand behind that:
//
//   - of the temporary file, before it is renamed. A file system may otherwise
//     store the new name before the bytes, and a crash leaves an empty entry.
//   - of the directory, after the rename: the name is the directory's content, and
//     a synced file without a name is lost.
//   - of the parents, when Open makes directories, for the same reason one level up.
//
// On Darwin, os.File.Sync asks the drive itself (F_FULLFSYNC). A failed fsync is
// never repeated on the same file: the kernel may have dropped the dirty pages and
// report success the second time. Put gives up that file; a new Put writes a new one.
//
// When entries change directories in Adopt, their new directory is synced before
// their old one, so that a crash can leave an entry in both but never in neither.
// Remove syncs nothing: an entry that comes back after a crash is applied a second
// time, and applying is idempotent by attempt. The saving is real, for removing
// happens once per refresh and adoption hardly ever.
//
// Every file carries its length and a checksum. A torn one is told from a whole one
// without trusting its name, which also saves an answer whose writer died between
// the write and the rename.
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
// (its holders only rename and sync) and never for ever: its holder may be stopped.
//
// Within the process, an entry is owned from Put or Adopt until Remove or Release;
// Adopt hands out only what nobody owns.
package spool
