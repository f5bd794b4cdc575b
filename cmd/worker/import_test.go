package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links/memstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
)

// told is an audit that keeps how many lines it was told of, and a place for timers
// and events that keeps none.
type told struct{ lines []string }

func (a *told) Append(_ context.Context, e audit.Entry) error {
	a.lines = append(a.lines, e.Details["lines"])
	return nil
}

func (*told) Arm(context.Context, events.Address, uint64, time.Time) error { return nil }
func (*told) Publish(context.Context, events.Message) error                { return nil }
func (*told) Last(context.Context, events.Address) (uint64, error)         { return 0, nil }

// importing is a run over lines whose logins are these.
func importing(t *testing.T, most int, atomic bool, logins ...string) (*importRun, *told) {
	t.Helper()
	keys, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i, login := range logins {
		fmt.Fprintf(&text, `{"provider":"op","link":"L%d","user":"u","sub":%q,"access_token":"a","refresh_token":"r"}`+"\n", i+1, login)
	}
	s, log := memstore.New(time.Now), &told{}
	return &importRun{
		im: &handlers.Importer{
			Source: "//regrant/test", Tenants: []string{"default"}, Profiles: map[string]providers.Profile{"op": {ClientID: "client"}},
			Store: s, Index: s, Keys: keys, Timers: log, Outputs: log, Budget: budget.Of(budget.Default), Clock: time.Now,
		},
		audit: audit.NewRun(log, time.Now, time.Minute), from: bufio.NewReader(strings.NewReader(text.String())), atomic: atomic, most: most,
	}, log
}

// TestAnImportHoldsAPiece: what is read is imported and told before more is read.
func TestAnImportHoldsAPiece(t *testing.T) {
	for name, c := range map[string]struct {
		atomic bool
		pieces []int
		audits []string
	}{
		"in pieces":      {false, []int{2, 2, 1}, []string{"2", "2", "1"}},
		"all or nothing": {true, []int{5}, []string{"5"}},
	} {
		t.Run(name, func(t *testing.T) {
			run, log := importing(t, 2, c.atomic, "a", "b", "c", "d", "e")
			var pieces []int
			err := run.all(t.Context(), func(lines []imported) error {
				pieces = append(pieces, len(lines))
				return nil
			})
			if err != nil || run.good != 5 || !slices.Equal(pieces, c.pieces) || !slices.Equal(log.lines, c.audits) {
				t.Errorf("imported %d in pieces of %v, audited %v: %v", run.good, pieces, log.lines, err)
			}
		})
	}
}

// TestOneLoginIsImportedOnce: of many lines with one login in one piece, the first is
// imported; the others see its link, and not a claim without one.
func TestOneLoginIsImportedOnce(t *testing.T) {
	logins := slices.Repeat([]string{"one", "two"}, importers)
	run, _ := importing(t, pieceLines, false, logins...)
	var good []string
	err := run.all(t.Context(), func(lines []imported) error {
		for _, l := range lines {
			if !l.bad() {
				good = append(good, l.Link)
			} else if l.Field != "sub" {
				t.Errorf("line %d: %s %s", l.Line, l.Field, l.Problem)
			}
		}
		return nil
	})
	if want := []string{"default/op/L1", "default/op/L2"}; err != nil || !slices.Equal(good, want) {
		t.Errorf("imported %v, want %v: %v", good, want, err)
	}
}
