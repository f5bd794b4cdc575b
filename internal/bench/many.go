package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/regrant/regrant/internal/bench/million"
	"github.com/regrant/regrant/internal/bench/report"
)

// many is a cell of a million links beside one of a thousand, on servers of their own.
func (b *bench) many(ctx context.Context) (lines []report.Line, err error) {
	c := million.Config{Dir: filepath.Join(b.dir, "million"), Provider: b.providerCommand(), Progress: b.progress}
	if b.short {
		c.Links, c.Few, c.Samples = 2000, 200, 30
	}
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.Dir)) }()
	found, err := million.Measure(ctx, c)
	if err != nil {
		return nil, err
	}
	return found.Lines(), nil
}
