package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/regrant/regrant/spool"
)

// diskFacts are about the data directory.
type diskFacts struct {
	Dir string
	// Missing: a worker will make it. What else is said is then about its parent.
	Missing bool
	Mode    fs.FileMode
	// Writable is why nothing can be written and synced there; nil: it can.
	Writable error
	// Type is the file system's name, for the few that matter; Free is in bytes.
	Type string
	Free uint64
	// Waiting are the answers that the spool holds.
	Waiting []spool.Waiting
	Unread  error
}

func lookDisk(dir string) diskFacts {
	f := diskFacts{Dir: dir}
	info, err := os.Stat(dir)
	at := dir
	for errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
		f.Missing, at = true, filepath.Dir(at)
		info, err = os.Stat(at)
	}
	if err != nil {
		f.Writable = err
		return f
	}
	f.Mode = info.Mode().Perm()
	f.Writable = writes(at)
	f.Type, f.Free = fileSystem(at)
	if !f.Missing {
		f.Waiting, f.Unread = spool.Look(filepath.Join(dir, "spool"))
	}
	return f
}

// writes tries what the spool does: a file, and its name, made durable.
func writes(dir string) error {
	file, err := os.CreateTemp(dir, ".regrant-doctor-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString("worker doctor was here\n")
	err = errors.Join(err, file.Sync(), file.Close())
	d, openErr := os.Open(dir)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	return errors.Join(err, d.Sync(), d.Close())
}
