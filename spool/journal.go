package spool

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	journalSuffix = ".journal"
	tornSuffix    = ".torn"
)

// journalNumber is a journal's place among those of its directory. Numbers are not
// used again while an older one is there: later records count more.
func journalNumber(file string) (n uint64, ok bool) {
	digits, ok := strings.CutSuffix(file, journalSuffix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && journalName(n) == file
}

func journalName(n uint64) string { return strconv.FormatUint(n, 10) + journalSuffix }

// journalsOf are a directory's journals, oldest first.
func journalsOf(dir string) (numbers []uint64, err error) {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		if n, ok := journalNumber(f.Name()); ok && f.Type().IsRegular() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, err
}

// contents is what journals come to: the entries that were put and not removed.
type contents struct {
	live     map[string]record
	journals []string
	// damaged are the journals with something that is no whole record.
	damaged []string
}

func (c *contents) add(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	records, err := parse(text)
	if err != nil {
		c.damaged = append(c.damaged, path)
	}
	c.journals = append(c.journals, path)
	for _, r := range records {
		if r.kind == kindPut {
			c.live[r.name] = r
		} else {
			delete(c.live, r.name)
		}
	}
	return nil
}

// readUpTo is what the journals of a directory come to, up to the number last.
func readUpTo(dir string, last uint64) (contents, error) {
	c := contents{live: map[string]record{}}
	numbers, err := journalsOf(dir)
	if err != nil {
		return c, err
	}
	for _, n := range numbers {
		if n > last {
			break
		}
		if err := c.add(filepath.Join(dir, journalName(n))); err != nil {
			return c, err
		}
	}
	return c, nil
}

// readings is how often a directory is read whose journal changes meanwhile.
const readings = 10

// readAll is what a directory holds whose worker may live. A journal that vanishes
// was replaced by a later one, which the next reading finds.
func readAll(dir string) (c contents, err error) {
	for range readings {
		if c, err = readUpTo(dir, math.MaxUint64); !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
		if _, gone := os.Stat(dir); gone != nil {
			return contents{}, gone
		}
	}
	return c, err
}
