package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	only := flag.String("only", "", "take out only the safeguards whose name contains this")
	short := flag.Bool("short", false, "leave out those whose test needs a NATS server")
	sample := flag.Int("sample", 0, "take out only so many, which -draw chooses")
	draw := flag.String("draw", "", "any text, such as a commit: the same text draws the same sample")
	simulate := flag.Bool("simulate", false, "let the simulation look for each, and print the seed that finds it")
	steps := flag.Int("steps", minute, "with -simulate, for how many steps of the simulation")
	check := flag.Bool("check", false, "replay the seeds of docs/simulation.md, which must fail")
	flag.Parse()
	chosen := choose(*only, *short)
	by, err := recorded()
	if *check {
		chosen = found(chosen, by)
	}
	if *sample > 0 {
		chosen = drawn(chosen, *sample, *draw)
	}
	switch {
	case err != nil:
	case *check:
		err = replay(ctx, os.Stdout, chosen, by)
	case *simulate:
		err = search(ctx, os.Stdout, chosen, by, *steps)
	default:
		err = run(ctx, os.Stdout, chosen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "safeguards:", err)
		os.Exit(1)
	}
}

// run takes out each safeguard and prints a table in Markdown.
func run(ctx context.Context, out io.Writer, chosen []mutation) error {
	dir, err := os.MkdirTemp("", "safeguards-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	_, _ = fmt.Fprint(out, "| safeguard | step of the model | without it fails | seconds |\n|---|---|---|---|\n")
	if err := intact(ctx, chosen); err != nil {
		return err
	}
	unwatched := 0
	var failed error
	for i, result := range begin(ctx, dir, chosen) {
		m, t := chosen[i], <-result
		switch {
		case t.err != nil:
			failed = errors.Join(failed, fmt.Errorf("%s: %w", m.name, t.err))
			continue
		case !t.saw:
			unwatched++
		}
		_, _ = fmt.Fprintf(out, "| %s | %s | %s | %.1f |\n", m.name, m.model, verdict(m.test, t.saw), t.took.Seconds())
	}
	if unwatched > 0 {
		failed = errors.Join(failed, fmt.Errorf("%d safeguards can be taken out and nobody notices: mend the tests named above", unwatched))
	}
	return failed
}

// trial is what came of taking one safeguard out.
type trial struct {
	saw  bool
	took time.Duration
	err  error
}

// begin takes all of them out, as many at a time as there are processors. Each
// result comes through the channel of its place in the list: whoever received all
// of them has waited for all.
func begin(ctx context.Context, dir string, chosen []mutation) []chan trial {
	free := make(chan struct{}, runtime.NumCPU())
	results := make([]chan trial, len(chosen))
	for i, m := range chosen {
		results[i] = make(chan trial, 1)
		go func() {
			free <- struct{}{}
			defer func() { <-free }()
			start := time.Now()
			saw, err := m.try(ctx, dir)
			results[i] <- trial{saw, time.Since(start), err}
		}()
	}
	return results
}

func choose(only string, short bool) []mutation {
	return slices.DeleteFunc(slices.Clone(mutations), func(m mutation) bool {
		return !strings.Contains(m.name, only) || short && m.pkg == busPkg
	})
}

// drawn is a sample: each commit's CI sees a few of them out, and its log tells which.
func drawn(from []mutation, n int, text string) []mutation {
	h := fnv.New64a()
	_, _ = io.WriteString(h, text)
	random := rand.New(rand.NewPCG(h.Sum64(), 0))
	random.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	return from[:min(n, len(from))]
}

// intact makes sure that the tests pass with every safeguard in its place.
func intact(ctx context.Context, chosen []mutation) error {
	tests := map[string][]string{}
	for _, m := range chosen {
		tests[m.pkg] = append(tests[m.pkg], m.test)
	}
	for pkg, names := range tests {
		if text, err := goTest(ctx, pkg, strings.Join(names, "|"), ""); err != nil {
			return fmt.Errorf("tests of %s fail with all safeguards in place:\n%s", pkg, text)
		}
	}
	return nil
}

func verdict(test string, saw bool) string {
	if saw {
		return "`" + test + "`"
	}
	return "NOTHING, though `" + test + "` should"
}

// try runs the test without the safeguard and says whether it failed. What is
// left must compile: otherwise an error.
func (m mutation) try(ctx context.Context, dir string) (failed bool, err error) {
	overlay, err := m.overlay(dir)
	if err != nil {
		return false, err
	}
	text, err := goTest(ctx, m.pkg, m.test, overlay)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, nil
	case !errors.As(err, &exit) || ctx.Err() != nil:
		return false, err
	case !strings.Contains(text, "--- FAIL"):
		return false, fmt.Errorf("no test failed, but the run did; does the change still compile?\n%s", text)
	}
	return true, nil
}

// goTest runs tests of a package, with some files laid over the real ones.
func goTest(ctx context.Context, pkg, tests, overlay string) (string, error) {
	args := []string{"test", "-vet=off", "-count=1", "-run", "^(" + tests + ")$", "-overlay", overlay, pkg}
	text, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
	return string(text), err
}

// overlay writes the changed file and the list that lays it over the real one.
func (m mutation) overlay(dir string) (string, error) {
	changed, err := m.apply()
	if err != nil {
		return "", err
	}
	real, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(dir, ""); err != nil {
		return "", err
	}
	file, list := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	data, err := json.Marshal(map[string]map[string]string{"Replace": {real: file}})
	if err != nil {
		return "", err
	}
	return list, errors.Join(os.WriteFile(file, []byte(changed), 0o600), os.WriteFile(list, data, 0o600))
}

// apply returns the file without the safeguard.
func (m mutation) apply() (string, error) {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return "", fmt.Errorf("%w: run this from the top of the tree", err)
	}
	if n := strings.Count(string(text), m.from); n != 1 {
		return "", fmt.Errorf("%s holds %q %d times, not once: the code has moved on, bring the list after it", m.file, m.from, n)
	}
	return strings.Replace(string(text), m.from, m.to, 1), nil
}
