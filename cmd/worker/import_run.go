package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"strconv"
	"sync"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/cli"
)

// importRun imports line after line, in pieces: each is checked as a whole, audited,
// and then imported by several at once. An atomic run is one piece.
type importRun struct {
	im     *handlers.Importer
	audit  audit.Run
	from   *bufio.Reader
	atomic bool
	// most lines are a piece, unless the run is atomic.
	most int

	line             int // the last that was read
	lines, bad, good int // that were checked, of them bad, imported
}

// all imports everything. What became of a piece is told before the next is read.
func (r *importRun) all(ctx context.Context, tell func([]imported) error) error {
	for {
		lines, err := r.read()
		over := errors.Is(err, io.EOF)
		if err != nil && !over {
			return fmt.Errorf("read line %d: %w; %s", r.line+1, err, r.done())
		}
		if len(lines) > 0 {
			if err := r.piece(ctx, lines); err != nil {
				return err
			}
			if err := tell(lines); err != nil {
				return err
			}
		}
		if over {
			return nil
		}
	}
}

// read parses the lines of one piece. io.EOF: it is the last one.
func (r *importRun) read() (lines []imported, err error) {
	most, bytes := r.most, pieceBytes
	if r.atomic {
		most, bytes = math.MaxInt, math.MaxInt
	}
	for len(lines) < most && bytes > 0 {
		text, err := readLine(r.from)
		if err != nil {
			return lines, err
		}
		r.line++
		if len(text) == 0 {
			continue
		}
		bytes -= len(text)
		line := imported{Line: r.line}
		in, err := parse(text)
		if err := line.note(err); err != nil {
			return nil, err
		}
		line.in = in
		lines = append(lines, line)
	}
	return lines, nil
}

// piece checks lines and imports those that are good.
func (r *importRun) piece(ctx context.Context, lines []imported) error {
	if err := r.check(ctx, lines); err != nil {
		return err
	}
	good := len(lines) - count(lines)
	if good > 0 && (good == len(lines) || !r.atomic) {
		if err := r.write(ctx, lines, good); err != nil {
			return err
		}
		r.good += len(lines) - count(lines)
	}
	r.lines, r.bad = r.lines+len(lines), r.bad+count(lines)
	return nil
}

// check looks at all lines before any is imported, so that --atomic can refuse.
func (r *importRun) check(ctx context.Context, lines []imported) error {
	err := atOnce(ctx, lines, func(ctx context.Context, line *imported) error {
		in, err := r.im.Check(ctx, line.in)
		line.in = in
		return line.note(err)
	})
	if err != nil {
		return fmt.Errorf("%w; %s", err, r.done())
	}
	seen := map[string]int{}
	for n := range lines {
		line := &lines[n]
		if line.bad() {
			continue
		}
		address := line.in.Address.String()
		if first, twice := seen[address]; twice {
			line.Field, line.Problem = "link", fmt.Sprintf("is in line %d already", first)
			continue
		}
		line.Link, seen[address] = address, line.Line
	}
	return nil
}

func (r *importRun) write(ctx context.Context, lines []imported, good int) error {
	if err := r.audit.Before(ctx, audit.Entry{Action: audit.Imported, Details: map[string]string{"lines": strconv.Itoa(good)}}); err != nil {
		return err
	}
	err := atOnce(ctx, lines, func(ctx context.Context, line *imported) error {
		return line.note(r.im.Import(ctx, line.in))
	})
	if err != nil {
		return fmt.Errorf("%w; %s, and some of the %d lines from line %d on: import it again, what exists is told and left as it is", err, r.done(), len(lines), lines[0].Line)
	}
	return nil
}

func (r *importRun) done() string { return fmt.Sprintf("%d links are imported", r.good) }

// sum tells how it went altogether.
func (r *importRun) sum(c *cli.Common) error {
	if !c.JSON {
		fmt.Fprintf(c.Out, "imported %d, bad %d\n", r.good, r.bad)
	}
	if r.bad > 0 {
		return fmt.Errorf("%w: %d of %d lines were not imported: correct them and import those alone", cli.ErrBadInput, r.lines-r.good, r.lines)
	}
	return nil
}

// atOnce does the lines that are good, several at once, each share of them in its
// order; it ends with the first error. One login's lines are in one share: while one
// of them is imported, another would take its claim for that of an import that was cut
// short.
func atOnce(ctx context.Context, lines []imported, do func(context.Context, *imported) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var shares sync.WaitGroup
	for _, share := range shared(lines) {
		shares.Go(func() {
			for _, line := range share {
				if ctx.Err() != nil {
					return
				}
				if err := do(ctx, line); err != nil {
					cancel(fmt.Errorf("line %d: %w", line.Line, err))
					return
				}
			}
		})
	}
	shares.Wait()
	return context.Cause(ctx)
}

func shared(lines []imported) [][]*imported {
	shares, seed := make([][]*imported, importers), maphash.MakeSeed()
	for n := range lines {
		line := &lines[n]
		if line.bad() {
			continue
		}
		login := line.in.Provider + " " + line.in.Sub
		if line.in.Sub == "" {
			login = strconv.Itoa(n)
		}
		share := maphash.String(seed, login) % importers
		shares[share] = append(shares[share], line)
	}
	return shares
}
