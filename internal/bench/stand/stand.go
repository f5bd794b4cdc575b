package stand

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/regrant/regrant/internal/bench/provider"
)

// Config says what a stand is to have.
type Config struct {
	// Dir is made by the caller, who removes it. It must be on the disk to be measured.
	Dir string
	// SyncAlways has NATS flush every write before it confirms it.
	SyncAlways bool
	// Provider is the command that serves package provider.
	Provider Command
}

// Stand is a set of running servers.
type Stand struct {
	NATSURL, RedisURL string
	Provider          provider.At
	// Worker is the path of the worker program.
	Worker string

	dir     string
	servers []*Process
	cells   atomic.Int64
}

// startLimit bounds the start of one process.
const startLimit = time.Minute

// Open builds the programs and starts the servers.
func Open(ctx context.Context, c Config) (s *Stand, err error) {
	s = &Stand{dir: c.Dir}
	defer func() {
		if err != nil {
			s.Close()
			s = nil
		}
	}()
	if s.Worker, err = build(ctx, c.Dir, "worker", "github.com/regrant/regrant/cmd/worker"); err != nil {
		return s, err
	}
	if err := s.startNATS(ctx, c); err != nil {
		return s, err
	}
	if err := s.startRedis(ctx, c.Dir); err != nil {
		return s, err
	}
	return s, s.startProvider(ctx, c.Provider)
}

// Close ends the servers.
func (s *Stand) Close() {
	for _, p := range s.servers {
		p.Kill()
	}
}

// Start starts a process beside the servers.
func (s *Stand) Start(ctx context.Context, c Command) (*Process, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return Start(ctx, c)
}

func (s *Stand) serve(ctx context.Context, c Command) (*Process, error) {
	p, err := s.Start(ctx, c)
	if err == nil {
		s.servers = append(s.servers, p)
	}
	return p, err
}

func (s *Stand) startNATS(ctx context.Context, c Config) error {
	program, err := build(ctx, c.Dir, "nats-server", "github.com/nats-io/nats-server/v2")
	if err != nil {
		return err
	}
	sync := "2m" // the server's own default
	if c.SyncAlways {
		sync = "always"
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("listen: \"127.0.0.1:%s\"\njetstream { store_dir: %q, sync_interval: %s }\n", port, filepath.Join(c.Dir, "nats"), sync)
	file := filepath.Join(c.Dir, "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	s.NATSURL = "nats://127.0.0.1:" + port
	_, err = s.serve(ctx, Command{Name: "nats", Path: program, Args: []string{"-c", file}, Ready: "Server is ready"})
	return err
}

func (s *Stand) startRedis(ctx context.Context, dir string) error {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return errors.Join(err, errors.New("install Redis: the locks are measured on the real one"))
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	s.RedisURL = "redis://127.0.0.1:" + port + "/0"
	args := []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"}
	_, err = s.serve(ctx, Command{Name: "redis", Path: program, Args: args, Dir: dir, Ready: "Ready to accept connections"})
	return err
}

func (s *Stand) startProvider(ctx context.Context, c Command) error {
	p, err := s.serve(ctx, c)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(p.Output(), c.Ready)
	url, _, _ := strings.Cut(rest, "\n")
	s.Provider = provider.At(strings.TrimSpace(url))
	return nil
}

// CPU is the processor time that each server has used so far.
func (s *Stand) CPU() map[string]time.Duration {
	used := map[string]time.Duration{}
	for _, p := range s.servers {
		used[p.Name] += p.CPU()
	}
	return used
}
