package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/seal"
)

type importCmd struct {
	Atomic bool   `help:"Import nothing if any line is bad."`
	File   string `arg:"" optional:"" help:"File of lines; left out: standard input." type:"existingfile"`
}

// maxLine bounds an import line: two tokens and an ID token fit many times over.
const maxLine = 1 << 20

// imported is what became of one line.
type imported struct {
	Line    int    `json:"line"`
	Link    string `json:"link,omitzero"`
	Field   string `json:"field,omitzero"`
	Problem string `json:"problem,omitzero"`

	in handlers.ImportLine
}

func (i imported) bad() bool { return i.Problem != "" }

func (i *importCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	cfg, err := settled(c)
	if err != nil {
		return err
	}
	keys, err := loadKeys(cfg)
	if errors.Is(err, seal.ErrNoKeys) && !hasServer(cfg) {
		return fmt.Errorf("%w; or start `worker run` and wait until it is ready: it makes them", err)
	}
	if err != nil {
		return err
	}
	cell, err := connectCell(ctx, c, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cell.Close(ctx)) }()
	im := worker.Importer(cfg, cell.bus, cell.store, keys, time.Now)
	from, err := i.open(c)
	if err != nil {
		return err
	}
	defer from.Close()
	lines, err := check(ctx, from, im)
	if err != nil {
		return err
	}
	bad := count(lines)
	if good := len(lines) - bad; good > 0 && (bad == 0 || !i.Atomic) {
		run := audit.NewRun(cell.bus, time.Now, c.ConnectTimeout)
		if err := run.Before(ctx, audit.Entry{Action: audit.Imported, Details: map[string]string{"lines": strconv.Itoa(good)}}); err != nil {
			return err
		}
		if err := write(ctx, im, lines); err != nil {
			return err
		}
	}
	return i.report(c, lines, bad > 0 && i.Atomic)
}

// open is the input: a file, or what stands on standard input.
func (i *importCmd) open(c *cli.Common) (io.ReadCloser, error) {
	if i.File == "" {
		return io.NopCloser(c.In), nil
	}
	return os.Open(i.File)
}

// check reads all lines before any is imported, so that --atomic can refuse.
func check(ctx context.Context, input io.Reader, im *handlers.Importer) ([]imported, error) {
	var lines []imported
	seen := map[string]int{}
	from := bufio.NewReader(input)
	for n := 1; ; n++ {
		text, err := readLine(from)
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read line %d: %w; nothing is imported", n, err)
		}
		if len(text) == 0 {
			continue
		}
		line := imported{Line: n}
		in, err := parse(text)
		if err == nil {
			in, err = im.Check(ctx, in)
		}
		if first, twice := seen[in.Address.String()]; err == nil && twice {
			err = &handlers.BadLine{Field: "link", Problem: fmt.Sprintf("is in line %d already", first)}
		}
		if err := line.note(err); err != nil {
			return nil, err
		}
		if line.in = in; !line.bad() {
			line.Link = in.Address.String()
			seen[line.Link] = n
		}
		lines = append(lines, line)
	}
}

// readLine returns the next line without the space around it, or the first
// maxLine bytes and one more of one that is longer. io.EOF ends it.
func readLine(from *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := from.ReadSlice('\n')
		line = append(line, part[:min(len(part), maxLine+1-len(line))]...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0, err == nil:
			return bytes.TrimSpace(line), nil
		default:
			return nil, err
		}
	}
}

func parse(text []byte) (handlers.ImportLine, error) {
	if len(text) > maxLine {
		return handlers.ImportLine{}, &handlers.BadLine{Field: "line", Problem: fmt.Sprintf("is longer than %d bytes", maxLine)}
	}
	return handlers.ParseImportLine(text)
}

// note keeps what is wrong with a line and passes on what is wrong with us.
func (i *imported) note(err error) error {
	var bad *handlers.BadLine
	if errors.As(err, &bad) {
		i.Field, i.Problem = bad.Field, bad.Problem
		return nil
	}
	return err
}

func write(ctx context.Context, im *handlers.Importer, lines []imported) error {
	for n := range lines {
		line := &lines[n]
		if line.bad() {
			continue
		}
		if err := line.note(im.Import(ctx, line.in)); err != nil {
			return fmt.Errorf("line %d: %w; the lines before it are imported", line.Line, err)
		}
	}
	return nil
}

func count(lines []imported) (bad int) {
	for _, l := range lines {
		if l.bad() {
			bad++
		}
	}
	return bad
}

func (i *importCmd) report(c *cli.Common, lines []imported, refused bool) error {
	for _, l := range lines {
		if c.JSON {
			if err := c.Print(l); err != nil {
				return err
			}
		} else if l.bad() {
			fmt.Fprintf(c.Err, "line %d: %s %s\n", l.Line, l.Field, l.Problem)
		}
	}
	bad := count(lines)
	good := len(lines) - bad
	if refused {
		good = 0
	}
	if !c.JSON {
		fmt.Fprintf(c.Out, "imported %d, bad %d\n", good, bad)
	}
	if bad > 0 {
		return fmt.Errorf("%w: %d of %d lines were not imported: correct them and import those alone", cli.ErrBadInput, len(lines)-good, len(lines))
	}
	return nil
}
