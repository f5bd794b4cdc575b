package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/regrant/regrant/internal/bench/contest"
	"github.com/regrant/regrant/internal/bench/stand"
)

// What others would write; see the module rivals.
var (
	naive     = contestant{name: "N", start: rival("naive")}
	watermill = contestant{name: "W", start: rival("watermill")}
)

// buildRivals builds the module of the rivals, whose dependencies are not ours.
func (b *bench) buildRivals(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/regrant/regrant").Output()
	if err != nil {
		return fmt.Errorf("find the module's root: %w: run this from inside it", err)
	}
	b.rivals = filepath.Join(b.dir, "rivals")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b.rivals, ".")
	cmd.Dir = filepath.Join(string(out[:len(out)-1]), "internal", "bench", "rivals")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the rivals: %w\n%s\nTheir dependencies are fetched once; without a network, leave rows 1 and 3 out or use -short", err, out)
	}
	return nil
}

func rival(which string) func(*bench, *stand.Cell, work) (*stand.Process, error) {
	return func(b *bench, c *stand.Cell, w work) (*stand.Process, error) {
		s := spec(c, w)
		args := []string{
			which, "-nats-url", s.NATSURL, "-redis-url", c.Stand.RedisURL, "-stream", s.Stream, "-durable", s.Durable, "-prefix", s.Prefix,
			"-token-url", s.TokenURL, "-client-id", s.ClientID, "-client-secret", s.ClientSecret, "-provider", op, "-links", strconv.Itoa(w.links),
		}
		return stand.Start(stand.Command{Name: which, Path: b.rivals, Args: args, Ready: contest.Ready})
	}
}
