package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The simulation is a test of the handlers; these are how it is asked and answers.
const (
	simulation  = "^TestSimulate$"
	envSimulate = "REGRANT_SIMULATE"
	envSeed     = "REGRANT_SEED"
)

var (
	foundBy = regexp.MustCompile(`seed (\d+) fails`)
	ranFor  = regexp.MustCompile(`(\d+) steps in `)
)

// search takes out each safeguard and lets the simulation look for it, for so long at
// most, one after the other: a search has all processors. What it finds goes into the
// table of docs/simulation.md at once.
func search(ctx context.Context, out io.Writer, chosen []mutation, limit time.Duration) error {
	dir, err := os.MkdirTemp("", "safeguards-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	intact, err := build(ctx, dir, "intact", "")
	if err != nil {
		return err
	}
	var failed error
	for _, m := range slices.DeleteFunc(slices.Clone(chosen), mutation.isHidden) {
		f, err := m.search(ctx, dir, limit)
		if err == nil && f.seed > 0 {
			err = passes(ctx, intact, f.seed)
		}
		if err == nil && f.seed == 0 {
			err = fmt.Errorf("not found within %v and %d steps: a hole in the simulation", limit, f.steps)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", m.name, err))
			f = finding{steps: f.steps}
		}
		_, _ = fmt.Fprintln(out, f.row(m))
		if err := remember(m.name, f); err != nil {
			return err
		}
	}
	return failed
}

// search returns the seed that finds the safeguard gone, 0 if none does in time, and
// after how many steps.
func (m mutation) search(ctx context.Context, dir string, limit time.Duration) (f finding, err error) {
	binary, err := m.build(ctx, dir)
	if err != nil {
		return f, err
	}
	text, err := simulated(ctx, binary, envSimulate+"="+limit.String())
	if did := ranFor.FindSubmatch(text); did != nil {
		f.steps, _ = strconv.ParseUint(string(did[1]), 10, 64) // digits
	}
	var exit *exec.ExitError
	if err == nil || !errors.As(err, &exit) {
		return f, err
	}
	found := foundBy.FindSubmatch(text)
	if found == nil {
		return f, fmt.Errorf("the simulation broke off:\n%s", tail(text))
	}
	f.seed, err = strconv.ParseUint(string(found[1]), 10, 64)
	return f, err
}

// passes: a seed that fails with all safeguards in place has found something else.
func passes(ctx context.Context, intact string, seed uint64) error {
	if text, err := simulated(ctx, intact, envSimulate+"=1s", fmt.Sprint(envSeed, "=", seed)); err != nil {
		return fmt.Errorf("seed %d fails with all safeguards in place:\n%s", seed, tail(text))
	}
	return nil
}

// replay takes out each safeguard of the table again and runs the seed that found it,
// which must fail.
func replay(ctx context.Context, out io.Writer, chosen []mutation, found map[string]finding) error {
	dir, err := os.MkdirTemp("", "safeguards-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, m := range chosen {
		binary, err := m.build(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		seed := found[m.name].seed
		text, err := simulated(ctx, binary, envSimulate+"=1s", fmt.Sprint(envSeed, "=", seed))
		if err == nil {
			return fmt.Errorf("without %q seed %d passes: search anew (go run ./internal/safeguards -simulate -only %q)", m.name, seed, m.name)
		}
		if !bytes.Contains(text, []byte("--- FAIL")) {
			return fmt.Errorf("%s: seed %d broke off:\n%s", m.name, seed, tail(text))
		}
		_, _ = fmt.Fprintf(out, "without %q seed %d fails\n", m.name, seed)
	}
	return nil
}

// hidden says why the simulation cannot see a safeguard gone.
func (m mutation) hidden() string {
	switch {
	case m.unseen != "":
		return m.unseen
	case strings.HasPrefix(m.file, "bus/"):
		return "its bus is simulated"
	case strings.HasPrefix(m.file, "providers/"), m.pkg == lifetimePkg:
		return "its provider is simulated"
	default:
		return ""
	}
}

func (m mutation) isHidden() bool { return m.hidden() != "" }

// build makes the simulation without the safeguard.
func (m mutation) build(ctx context.Context, dir string) (string, error) {
	overlay, err := m.overlay(dir)
	if err != nil {
		return "", err
	}
	return build(ctx, dir, "mutant", overlay)
}

func build(ctx context.Context, dir, name, overlay string) (string, error) {
	binary := filepath.Join(dir, name)
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, handlersPkg}
	if text, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("does the change still compile?\n%s", text)
	}
	return binary, nil
}

func simulated(ctx context.Context, binary string, env ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, binary, "-test.run", simulation, "-test.timeout", "10m")
	cmd.Env = append(os.Environ(), env...)
	return cmd.CombinedOutput()
}

func tail(text []byte) []byte { return text[max(0, len(text)-2_000):] }
