package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
)

type validateCmd struct {
	Files []string `arg:"" help:"Files of CloudEvents, one JSON object a line or one a file; - for standard input."`
}

// checked is what was found of one event.
type checked struct {
	File   string `json:"file"`
	Event  int    `json:"event"`
	ID     string `json:"id,omitzero"`
	Type   string `json:"type,omitzero"`
	Field  string `json:"field,omitzero"`
	Reason string `json:"reason,omitzero"`
}

func (v *validateCmd) Run(c *cli.Common) error {
	bad, all := 0, 0
	for _, file := range v.Files {
		text, err := read(file, c.In)
		if err != nil {
			return fmt.Errorf("%w: %w", cli.ErrBadInput, err)
		}
		for n, one := range split(text) {
			result := check(one)
			result.File, result.Event = file, n+1
			all++
			if result.Reason != "" {
				bad++
			}
			if err := show(c, result); err != nil {
				return err
			}
		}
	}
	if bad > 0 || all == 0 {
		return fmt.Errorf("%w: %d of %d events are not valid", cli.ErrBadInput, bad, all)
	}
	return nil
}

func read(file string, in io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(file)
}

// split tells one event over several lines from one event a line.
func split(text []byte) [][]byte {
	var lines [][]byte
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(make([]byte, 64<<10), len(text)+1)
	for scan.Scan() {
		if line := bytes.TrimSpace(scan.Bytes()); len(line) > 0 {
			if line[0] != '{' || line[len(line)-1] != '}' {
				return [][]byte{text}
			}
			lines = append(lines, bytes.Clone(line))
		}
	}
	return lines
}

func check(text []byte) checked {
	var result checked
	e, err := events.Decode(nil, text)
	if err == nil {
		result.ID, result.Type = e.ID(), e.Type()
		err = events.CheckAny(e)
	}
	var invalid *events.Invalid
	switch {
	case errors.As(err, &invalid):
		result.Field, result.Reason = invalid.Field, invalid.Reason
	case err != nil:
		result.Field, result.Reason = "event", err.Error()
	}
	return result
}

func show(c *cli.Common, r checked) error {
	if c.JSON {
		return c.Print(r)
	}
	verdict := "ok"
	if r.Reason != "" {
		verdict = r.Reason + " in " + r.Field
	}
	if r.Type != "" {
		verdict = r.Type + " " + verdict
	}
	_, err := fmt.Fprintf(c.Out, "%s:%d: %s\n", r.File, r.Event, verdict)
	return err
}
