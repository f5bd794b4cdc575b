package doctor

import "fmt"

// leastFree is room for tens of thousands of answers, and for the embedded server.
const leastFree = 256 << 20

func judgeDisk(f diskFacts) []Finding {
	c := check{name: "data-dir"}
	if f.Writable != nil {
		c.find(Error, f.Dir, "an answer cannot be saved there: "+f.Writable.Error(), "make it a directory of the user that runs the worker, mode 0700, or name another with data_dir")
		return c.all
	}
	judgeFileSystem(&c, f)
	if !f.Missing && f.Mode&0o022 != 0 {
		c.find(Unsafe, f.Dir, fmt.Sprintf("has mode %04o: other users may remove or replace saved answers", f.Mode), "run `chmod 700 "+f.Dir+"`")
	}
	if f.Free > 0 && f.Free < leastFree {
		c.find(Warn, f.Dir, fmt.Sprintf("has %d MB left: an answer that cannot be saved is at the mercy of the next crash", f.Free>>20), "free space on its disk, or move data_dir")
	}
	return append(c.or("can be written and synced, on a disk"), judgeSpool(f)...)
}

func judgeFileSystem(c *check, f diskFacts) {
	switch f.Type {
	case "tmpfs", "ramfs":
		c.find(Unsafe, f.Dir, "is in memory ("+f.Type+"): answers that are saved there, and what an embedded server stores, are lost with the power", "name a directory on a disk with data_dir")
	case "nfs", "cifs", "smb2":
		c.find(Unsafe, f.Dir, "is on a network file system ("+f.Type+"), whose locks and syncs cannot be relied on: two workers may finish one answer, or none", "name a directory on a local disk with data_dir")
	}
}

func judgeSpool(f diskFacts) []Finding {
	c := check{name: "spool"}
	if f.Unread != nil {
		c.find(Error, f.Dir, "the spool cannot be read: "+f.Unread.Error(), "run the doctor as the user that runs the worker")
	}
	waiting := 0
	for _, w := range f.Waiting {
		waiting += w.Entries
		if !w.Alive && w.Entries > 0 {
			c.find(Warn, w.Worker, fmt.Sprintf("%d answers of a worker that has ended wait to be finished; until then their links are not refreshed", w.Entries),
				"start a worker with data_dir "+f.Dir+" on this host: it takes them over within a minute")
		}
		if w.Others > 0 {
			c.find(Warn, w.Worker, fmt.Sprintf("%d files are no whole answers: writes that were interrupted, or not the spool's", w.Others), "look at them in "+f.Dir+"/spool/"+w.Worker+", then move them away")
		}
	}
	return c.or(fmt.Sprintf("%d answers are being finished, none is left behind", waiting))
}
