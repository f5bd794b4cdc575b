package worker

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/spool"
)

// keyring follows the keys file, and knows since when this worker seals as it does.
type keyring struct {
	*seal.Keys
	worker, spool string

	mu      sync.Mutex
	primary uint32
	since   time.Time
	problem string // said already
}

func newKeyring(o Options) *keyring {
	return &keyring{Keys: o.Keys, worker: o.ID, spool: SpoolOf(o.Config), primary: o.Keys.Primary(), since: time.Now()}
}

// SpoolOf is the root of the spools of a host's workers.
func SpoolOf(c config.Config) string { return filepath.Join(c.DataDir, "spool") }

// follow takes over what becomes of the keys file. One that may not be taken over is
// said once, not every few seconds.
func (w *Worker) follow(ctx context.Context, every time.Duration) {
	k := w.keyring
	for tick(ctx, every) {
		changed, err := k.Reload()
		if changed {
			w.log.Info("the keys file has changed and is taken over", "seals_with", k.sealsWith())
		}
		if problem := text(err); problem != k.problem {
			if k.problem = problem; err != nil {
				w.log.Error("the keys file has changed and is not taken over; this worker goes on with the keys that it has", "err", err)
			}
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// sealsWith is the primary key, and notes when it became that: no earlier than now,
// should nobody have looked since.
func (k *keyring) sealsWith() uint32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if is := k.Primary(); is != k.primary {
		k.primary, k.since = is, time.Now()
	}
	return k.primary
}

// report answers an operator who asks all workers for their keys. It looks at the file
// first: what was copied here a moment ago counts.
func (k *keyring) report(context.Context, []byte) ([]byte, error) {
	_, _ = k.Reload() // what is wrong with the file, follow says
	held, err := spool.Held(k.spool)
	if err != nil {
		return nil, err
	}
	spooled := handlers.KeyCount{}
	spooled.Spooled(held)
	out := api.WorkerKeys{Worker: k.worker, Primary: k.sealsWith(), Spooled: spooled}
	for _, key := range k.List() {
		if key.Status != seal.Destroyed {
			out.Has = append(out.Has, key.ID)
		}
	}
	k.mu.Lock()
	out.SealsFor = int64(time.Since(k.since) / time.Second)
	k.mu.Unlock()
	return json.Marshal(out)
}
