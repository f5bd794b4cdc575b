package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/seal"
)

type keysListCmd struct {
	Offline bool `help:"Say only what the file says: count nothing, reach no server."`
	Rate    int  `help:"How many records are read a second." default:"1000"`
}

// statusMissing is that of a key which values name and the file lacks.
const statusMissing seal.Status = "missing"

// keyRow is a key, and what needs it. Left out where nothing was counted.
type keyRow struct {
	seal.Key
	Values  *int `json:"values,omitempty"`
	Spooled *int `json:"spooled_here,omitempty"`
}

func (l *keysListCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	if l.Offline {
		cfg, err := settled(c)
		if err != nil {
			return err
		}
		keys, err := loadKeys(cfg)
		if err != nil {
			return err
		}
		return printKeys(c, keys.List(), nil, nil)
	}
	if err := positive("rate", l.Rate); err != nil {
		return err
	}
	v, err := openVault(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close(ctx)) }()
	found, err := v.survey(ctx, c, l.Rate, false)
	if err != nil {
		return err
	}
	here, err := v.spooled()
	if err != nil {
		return err
	}
	return printKeys(c, v.keys.List(), found.Values, here)
}

func printKeys(c *cli.Common, keys []seal.Key, values, here handlers.KeyCount) error {
	rows := rowsOf(keys, values, here)
	if c.JSON {
		var failed error
		for _, r := range rows {
			failed = errors.Join(failed, c.Print(r))
		}
		return failed
	}
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tSTATUS\tADDED\tSEALS SINCE\tRETIRED\tDESTROYED\tVALUES\tSPOOLED HERE")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Status, since(r.Added), since(r.Promoted), since(r.Retired), since(r.Destroyed), number(r.Values), number(r.Spooled))
	}
	return w.Flush()
}

// rowsOf lists also the keys that values name and the file does not have: those values
// wait, wherever they are met, for a newer copy of the file.
func rowsOf(keys []seal.Key, values, here handlers.KeyCount) []keyRow {
	known := map[uint32]bool{}
	var rows []keyRow
	add := func(k seal.Key) {
		r := keyRow{Key: k}
		if values != nil {
			v, s := values[k.ID], here[k.ID]
			r.Values, r.Spooled = &v, &s
		}
		rows = append(rows, r)
	}
	for _, k := range keys {
		known[k.ID] = true
		add(k)
	}
	unknown := maps.Clone(values)
	maps.Copy(unknown, here)
	for _, id := range slices.Sorted(maps.Keys(unknown)) {
		if !known[id] {
			add(seal.Key{ID: id, Status: statusMissing})
		}
	}
	return rows
}

func since(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return when(t)
}

func number(n *int) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}
