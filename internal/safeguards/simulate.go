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
)

// The simulation is a test of the handlers; these are how it is asked and answers.
const (
	simulation  = "^TestSimulate$"
	envSimulate = "REGRANT_SIMULATE"
	envSteps    = "REGRANT_STEPS"
	envSeed     = "REGRANT_SEED"
)

var (
	foundBy = regexp.MustCompile(`seed (\d+) fails`)
	ranFor  = regexp.MustCompile(`(\d+) steps in `)
)

// minute is how many steps the simulation makes in a minute of two processors that do
// nothing else. A search is bounded by steps: how far it gets is then no matter of what
// else the machine does.
const minute = 3_300_000

// search takes out each safeguard and lets the simulation look for it, one after the
// other: a search has all processors. What a short search finds need not wait for what
// takes a long one. What is found goes into the table of docs/simulation.md at once.
func search(ctx context.Context, out io.Writer, chosen []mutation, by map[string]finding, steps int) error {
	dir, err := os.MkdirTemp("", "safeguards-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	intact, err := build(ctx, dir, "intact", "")
	if err != nil {
		return err
	}
	s := searcher{out: out, dir: dir, intact: intact, by: by}
	left := slices.DeleteFunc(slices.Clone(chosen), mutation.isHidden)
	slices.SortStableFunc(left, func(a, b mutation) int { return by[a.name].known(by[b.name]) })
	for _, bound := range []int{steps / 12, steps} {
		if left, err = s.round(ctx, left, bound); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%d safeguards are not found gone within %d steps: holes in the simulation", len(left), steps)
	}
	return nil
}

// searcher is what the rounds of a search share.
type searcher struct {
	out         io.Writer
	dir, intact string
	by          map[string]finding // of the table, before the search
}

// round looks for each, and returns those that were not found.
func (s searcher) round(ctx context.Context, chosen []mutation, steps int) (left []mutation, err error) {
	for _, m := range chosen {
		f, err := s.find(ctx, m, steps)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			_, _ = fmt.Fprintf(s.out, "%s: %v\n", m.name, err)
		}
		if f.seed == 0 {
			left = append(left, m)
		}
		_, _ = fmt.Fprintln(s.out, f.row(m))
		if err := remember(m.name, f); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// find returns the seed that finds the safeguard gone, 0 if none does, and after how
// many steps. The seed of the table is good as long as it fails.
func (s searcher) find(ctx context.Context, m mutation, steps int) (f finding, err error) {
	mutant, err := m.build(ctx, s.dir)
	if err != nil {
		return f, err
	}
	if f = s.by[m.name]; f.seed > 0 && s.finds(ctx, mutant, f.seed) == nil {
		return f, nil
	}
	if f, err = look(ctx, mutant, steps); err != nil || f.seed == 0 {
		return f, err
	}
	if err := s.finds(ctx, mutant, f.seed); err != nil {
		return finding{steps: f.steps}, err
	}
	return f, nil
}

// finds returns nil if a seed fails without a safeguard, and passes with all of them.
func (s searcher) finds(ctx context.Context, mutant string, seed uint64) error {
	if err := mustFail(ctx, mutant, seed); err != nil {
		return fmt.Errorf("seed %d %w", seed, err)
	}
	if err := mustFail(ctx, s.intact, seed); !errors.Is(err, errPasses) {
		return fmt.Errorf("seed %d fails with all safeguards in place", seed)
	}
	return nil
}

// look runs the simulation from the first seed on.
func look(ctx context.Context, mutant string, steps int) (f finding, err error) {
	text, err := simulated(ctx, mutant, envSimulate+"=5m", fmt.Sprint(envSteps, "=", steps))
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

// errPasses: a seed does not find anything.
var errPasses = errors.New("passes")

// mustFail returns nil if a seed fails, errPasses if it does not.
func mustFail(ctx context.Context, binary string, seed uint64) error {
	text, err := simulated(ctx, binary, envSimulate+"=1s", fmt.Sprint(envSeed, "=", seed))
	switch {
	case err == nil:
		return errPasses
	case !bytes.Contains(text, []byte("--- FAIL")):
		return fmt.Errorf("broke off:\n%s", tail(text))
	}
	return nil
}

// replay takes out each safeguard of the table again and runs the seed that found it,
// which must fail. A test that asks the dice once more has made another seed of it:
// then a short search must find one.
func replay(ctx context.Context, out io.Writer, chosen []mutation, by map[string]finding) error {
	dir, err := os.MkdirTemp("", "safeguards-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, m := range chosen {
		mutant, err := m.build(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		f := by[m.name]
		if err = mustFail(ctx, mutant, f.seed); errors.Is(err, errPasses) {
			f, err = look(ctx, mutant, minute/12)
		}
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", m.name, err)
		case f.seed == 0:
			return fmt.Errorf("without %q seed %d passes: go run ./internal/safeguards -simulate -only %q", m.name, by[m.name].seed, m.name)
		}
		_, _ = fmt.Fprintf(out, "without %q seed %d fails\n", m.name, f.seed)
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
	cmd := exec.CommandContext(ctx, binary, "-test.run", simulation, "-test.timeout", "6m")
	cmd.Env = append(os.Environ(), env...)
	return cmd.CombinedOutput()
}

func tail(text []byte) []byte { return text[max(0, len(text)-2_000):] }
