package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/seal"
)

type keysCmd struct {
	New     keysNewCmd     `cmd:"" help:"Make a new key file: sealing keys and the subject key."`
	List    keysListCmd    `cmd:"" help:"List the sealing keys, and how many stored values need each."`
	Rotate  keysRotateCmd  `cmd:"" help:"Add a sealing key; with --promote, let it seal."`
	Reseal  keysResealCmd  `cmd:"" help:"Bring all that is stored under the key that seals."`
	Destroy keysDestroyCmd `cmd:"" help:"Give up a sealing key that nothing needs any more, for good."`
}

type keysNewCmd struct {
	File string `arg:"" optional:"" help:"Where to; left out: keys.file of the configuration." type:"path"`
}

func (k *keysNewCmd) Run(c *cli.Common) error {
	file := k.File
	if file == "" {
		cfg, err := c.Load()
		if err != nil {
			return err
		}
		file = cfg.Defaults().Keys.File
	}
	if _, err := newKeys(file); err != nil {
		return err
	}
	if c.JSON {
		return c.Print(map[string]string{"file": file})
	}
	fmt.Fprintf(c.Out, "Made %s. Keep a copy in a safe place: without it no link can be opened.\n", file)
	return nil
}

// newKeys makes the directory too: it is that of the data in the default.
func newKeys(file string) (*seal.Keys, error) {
	keys, err := seal.Generate()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	if err := keys.Save(file); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%w: %w", cli.ErrBadInput, err)
		}
		return nil, err
	}
	return keys, nil
}

// vault is a keys file, and the cell whose tokens it opens.
type vault struct {
	*cell
	keys  *seal.Keys
	flows *kvstore.Flows
}

func openVault(ctx context.Context, c *cli.Common) (*vault, error) {
	cfg, err := settled(c)
	if err != nil {
		return nil, err
	}
	keys, err := loadKeys(cfg)
	if err != nil {
		return nil, err
	}
	at, err := connectCell(ctx, c, cfg)
	if err != nil {
		return nil, err
	}
	flows, err := kvstore.NewFlows(ctx, at.bus.JetStream(), at.bus.Names().Consents())
	if err != nil {
		return nil, errors.Join(err, at.Close(ctx))
	}
	return &vault{cell: at, keys: keys, flows: flows}, nil
}

// auditPatience is how long a person waits for an entry of the audit.
const auditPatience = 10 * time.Second

// run is this run of a command in the audit.
func (v *vault) run() audit.Run { return audit.NewRun(v.bus, time.Now, auditPatience) }

// edit changes the keys file, with the entry of the audit before.
func (v *vault) edit(ctx context.Context, e audit.Entry, change func(*seal.Keys) error) error {
	err := seal.Edit(v.cfg.Keys.File, func(k *seal.Keys) error {
		if err := change(k); err != nil {
			return err
		}
		return v.run().Before(ctx, e)
	})
	if errors.Is(err, seal.ErrSymlink) {
		return fmt.Errorf("%w: %w", config.ErrConfig, err)
	}
	return badKeys(err)
}

func (v *vault) resealer(rate int) *handlers.Resealer {
	return &handlers.Resealer{
		Links: v.store, Scanner: v.store, Flows: v.flows, Keys: v.keys, Pace: time.Second / time.Duration(rate), Patience: v.cfg.Budget().Patience,
	}
}

// workersQuiet is how long all workers must have been silent to have answered all.
const workersQuiet = time.Second

// workers asks every worker that runs for its keys.
func (v *vault) workers(ctx context.Context) ([]api.WorkerKeys, error) {
	replies, err := v.bus.RequestEveryone(ctx, api.VerbKeys, workersQuiet)
	if err != nil {
		return nil, err
	}
	all := make([]api.WorkerKeys, len(replies))
	for i, reply := range replies {
		if err := json.Unmarshal(reply, &all[i]); err != nil {
			return nil, fmt.Errorf("a worker's answer cannot be read: %w; is its version another one?", err)
		}
	}
	return all, nil
}

// allHave refuses to go on while a worker lacks a key: what is sealed under it would
// wait, at that worker, for the file to come.
func allHave(workers []api.WorkerKeys, id uint32) error {
	var lack []string
	for _, w := range workers {
		if !slices.Contains(w.Has, id) {
			lack = append(lack, w.Worker)
		}
	}
	if len(lack) > 0 {
		return fmt.Errorf("%w: %d of %d workers lack key %d: %s; copy the keys file to their hosts and wait until they have read it, some seconds", cli.ErrUnsafe, len(lack), len(workers), id, lack)
	}
	return nil
}
