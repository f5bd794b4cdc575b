package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// page holds the table of what the simulation found, between its head and the next
// empty line. It is written by a search and read by a check.
const (
	page = "docs/simulation.md"
	head = "| safeguard | seed | steps until then |\n|---|---|---|\n"
)

// finding is the seed that finds a safeguard gone, and how many steps the simulation
// had made by then; seed 0: not looked for, or not found.
type finding struct {
	seed, steps uint64
}

// known orders findings by how little is known: first what was looked for least, last
// what has a seed.
func (f finding) known(g finding) int {
	found := func(f finding) int { return int(min(f.seed, 1)) }
	return cmp.Or(cmp.Compare(found(f), found(g)), cmp.Compare(f.steps, g.steps))
}

func (f finding) row(m mutation) string {
	switch why := m.hidden(); {
	case why != "":
		return fmt.Sprintf("| %s | %s: `%s` | |", m.name, why, m.test)
	case f.seed == 0:
		return fmt.Sprintf("| %s | none: `%s` | %d |", m.name, m.test, f.steps)
	default:
		return fmt.Sprintf("| %s | %d | %d |", m.name, f.seed, f.steps)
	}
}

var errNoTable = errors.New(page + " has no table of safeguards: run this from the top of the tree")

// table cuts the page into what stands before the rows, the rows, and the rest.
func table() (before, rows, after string, err error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return "", "", "", err
	}
	before, rest, ok := strings.Cut(string(text), head)
	if !ok {
		return "", "", "", errNoTable
	}
	rows, after, _ = strings.Cut(rest, "\n\n")
	return before, rows, after, nil
}

// recorded are the findings of the table.
func recorded() (map[string]finding, error) {
	_, rows, _, err := table()
	all := map[string]finding{}
	for row := range strings.Lines(rows) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		if len(cells) != 3 {
			continue
		}
		var f finding
		f.seed, _ = strconv.ParseUint(strings.TrimSpace(cells[1]), 10, 64) // words: none
		f.steps, _ = strconv.ParseUint(strings.TrimSpace(cells[2]), 10, 64)
		all[strings.TrimSpace(cells[0])] = f
	}
	return all, err
}

// remember writes a finding into the table, which has a row for every safeguard.
func remember(name string, f finding) error {
	all, err := recorded()
	if err != nil {
		return err
	}
	before, _, after, err := table()
	if err != nil {
		return err
	}
	all[name] = f
	rows := make([]string, 0, len(mutations))
	for _, m := range mutations {
		rows = append(rows, all[m.name].row(m))
	}
	return os.WriteFile(page, []byte(before+head+strings.Join(rows, "\n")+"\n\n"+after), 0o644) //nolint:gosec // a page of the documentation
}

// found are those that the simulation has a seed for.
func found(from []mutation, by map[string]finding) []mutation {
	return slices.DeleteFunc(slices.Clone(from), func(m mutation) bool { return by[m.name].seed == 0 })
}
