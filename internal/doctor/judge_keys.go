package doctor

import (
	"errors"
	"fmt"

	"github.com/regrant/regrant/seal"
)

func judgeKeys(f keyFacts) []Finding {
	c := check{name: "keys"}
	switch {
	case errors.Is(f.Err, seal.ErrNoKeys):
		c.find(Error, f.File, "is not there: no link can be opened, and none made", "copy the cell's key file there, mode 0600; only for a cell without links run `worker keys new`")
	case errors.Is(f.Err, seal.ErrReadable):
		c.find(Unsafe, f.File, "is open to other users of this host: whoever reads it can open every stored token", "run `chmod 600 "+f.File+"`")
	case errors.Is(f.Err, seal.ErrMalformed):
		c.find(Error, f.File, "cannot be used: "+f.Err.Error(), "restore it from a copy; new keys open nothing that these sealed")
	case f.Err != nil:
		c.find(Error, f.File, "cannot be read: "+f.Err.Error(), "run `chown` so that it belongs to the user that runs the worker, mode 0600")
	case len(f.Sample.Shut) > 0:
		c.find(Unsafe, f.File, fmt.Sprintf("does not open %d of %d links that were tried, %s for one: they were sealed under other keys, and a worker with this file cannot refresh them",
			len(f.Sample.Shut), len(f.Sample.Shut)+f.Sample.Opened, f.Sample.Shut[0]), "give this worker the key file that the cell's other workers have")
	case f.Sample.Err != nil:
		c.find(Unknown, f.File, "no stored link could be read to try it: "+f.Sample.Err.Error(), "run the doctor again once NATS answers, with a worker's credentials")
	}
	return c.or(fmt.Sprintf("mode 0600, with subject key; opened %d stored links", f.Sample.Opened))
}
