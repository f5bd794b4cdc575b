package stand

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/regrant/regrant/internal/bench/provider"
	"github.com/regrant/regrant/internal/process"
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

// Open builds the programs and starts the servers.
func Open(c Config) (s *Stand, err error) {
	s = &Stand{dir: c.Dir}
	defer func() {
		if err != nil {
			s.Close()
			s = nil
		}
	}()
	if s.Worker, err = process.Build("./cmd/worker"); err != nil {
		return s, err
	}
	if err := s.startNATS(c); err != nil {
		return s, err
	}
	if err := s.startRedis(c.Dir); err != nil {
		return s, err
	}
	return s, s.startProvider(c.Provider)
}

// Close ends the servers.
func (s *Stand) Close() {
	for _, p := range s.servers {
		p.Kill()
	}
}

func (s *Stand) serve(c Command) (*Process, error) {
	p, err := Start(c)
	if err == nil {
		s.servers = append(s.servers, p)
	}
	return p, err
}

func (s *Stand) startNATS(c Config) error {
	program, err := process.Build(process.NATSServer)
	if err != nil {
		return err
	}
	sync := "2m" // the server's own default
	if c.SyncAlways {
		sync = "always"
	}
	port, err := process.FreePort()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("listen: \"127.0.0.1:%s\"\njetstream { store_dir: %q, sync_interval: %s }\n", port, filepath.Join(c.Dir, "nats"), sync)
	file := filepath.Join(c.Dir, "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	s.NATSURL = "nats://127.0.0.1:" + port
	_, err = s.serve(Command{Name: "nats", Path: program, Args: []string{"-c", file}, Ready: "Server is ready"})
	return err
}

func (s *Stand) startRedis(dir string) error {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return errors.Join(err, errors.New("install Redis: the locks are measured on the real one"))
	}
	port, err := process.FreePort()
	if err != nil {
		return err
	}
	s.RedisURL = "redis://127.0.0.1:" + port + "/0"
	args := []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"}
	_, err = s.serve(Command{Name: "redis", Path: program, Args: args, Dir: dir, Ready: "Ready to accept connections"})
	return err
}

func (s *Stand) startProvider(c Command) error {
	p, err := s.serve(c)
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
