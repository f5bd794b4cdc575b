package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/seal"
)

type keysCmd struct {
	New keysNewCmd `cmd:"" help:"Make a new key file: sealing keys and the subject key."`
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
