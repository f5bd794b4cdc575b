package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/seal"
)

type keysRotateCmd struct {
	Promote bool `help:"Let the key that was added seal. Every worker must have it."`
}

// rotated is what a step of a rotation did.
type rotated struct {
	File    string `json:"file"`
	Key     uint32 `json:"key"`
	Step    string `json:"step"`
	Workers int    `json:"workers,omitempty"`
}

func (r *keysRotateCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	v, err := openVault(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close(ctx)) }()
	if r.Promote {
		return r.promote(ctx, c, v)
	}
	return r.add(ctx, c, v)
}

func (r *keysRotateCmd) add(ctx context.Context, c *cli.Common, v *vault) error {
	out := rotated{File: v.cfg.Keys.File, Step: "added"}
	entry := audit.Entry{Action: audit.KeysRotated, Outcome: out.Step, Details: map[string]string{}}
	err := v.edit(ctx, entry, func(k *seal.Keys) (err error) {
		out.Key, err = k.Add(time.Now())
		entry.Details["key"] = fmt.Sprint(out.Key)
		return err
	})
	if errors.Is(err, seal.ErrWaiting) {
		return fmt.Errorf("%w: %w; let it seal with --promote", cli.ErrBadInput, err)
	}
	if err != nil {
		return err
	}
	return out.print(c, "Added key %d to %s. It opens and does not seal yet: copy the file to every host that runs workers, which read it within seconds, and keep a copy apart. Then: worker keys rotate --promote\n")
}

func (r *keysRotateCmd) promote(ctx context.Context, c *cli.Common, v *vault) error {
	id, err := waiting(v.keys)
	if err != nil {
		return err
	}
	workers, err := v.workers(ctx)
	if err != nil {
		return err
	}
	if err := allHave(workers, id); err != nil {
		return err
	}
	out := rotated{File: v.cfg.Keys.File, Key: id, Step: "promoted", Workers: len(workers)}
	entry := audit.Entry{Action: audit.KeysRotated, Outcome: out.Step, Details: map[string]string{"key": fmt.Sprint(id)}}
	if err := v.edit(ctx, entry, func(k *seal.Keys) error { return k.Promote(id, time.Now()) }); err != nil {
		return err
	}
	return out.print(c, "Key %d of %s seals from now on. Copy the file to every host again. Then: worker keys reseal\n")
}

// waiting is the key that was added and does not seal yet.
func waiting(keys *seal.Keys) (uint32, error) {
	for _, k := range keys.List() {
		if k.Status == seal.Waiting {
			return k.ID, nil
		}
	}
	return 0, fmt.Errorf("%w: no key waits to be promoted; add one with `worker keys rotate`", cli.ErrBadInput)
}

func (r rotated) print(c *cli.Common, sentence string) error {
	if c.JSON {
		return c.Print(r)
	}
	fmt.Fprintf(c.Out, sentence, r.Key, r.File)
	return nil
}
