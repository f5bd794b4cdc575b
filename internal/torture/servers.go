package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/regrant/regrant/internal/process"
)

// tail is how much of what a process said is kept for its errors.
const tail = 16 << 10

// server is a real server on a port of its own, with a directory that outlives it.
type server struct {
	*process.Process
	addr, dir string
	log       *os.File
}

// serve writes what the server says to a file beside its directory.
func serve(dir, name, ready string, command func(port, dir string) (path string, args []string, err error)) (*server, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	s := &server{addr: "127.0.0.1:" + port, dir: filepath.Join(dir, name)}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	path, args, err := command(port, s.dir)
	if err != nil {
		return nil, err
	}
	if s.log, err = os.Create(s.dir + ".log"); err != nil {
		return nil, err
	}
	s.Process = process.New(process.Command{Path: path, Args: args, Dir: s.dir, Ready: ready, Log: s.log, Tail: tail})
	return s, s.Start()
}

// startNATS starts a nats-server that flushes every write before it confirms it.
func startNATS(dir string) (*server, error) {
	program, err := process.Build(process.NATSServer)
	if err != nil {
		return nil, err
	}
	return serve(dir, "nats", "Server is ready", func(port, dir string) (string, []string, error) {
		config := filepath.Join(dir, "nats.conf")
		text := fmt.Sprintf("listen: \"127.0.0.1:%s\"\njetstream { store_dir: %q, sync_interval: always }\n", port, dir)
		return program, []string{"-c", config}, os.WriteFile(config, []byte(text), 0o600)
	})
}

// startRedis starts a redis-server that appends what it does to a file.
func startRedis(dir string) (*server, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("there is no redis-server on the PATH: install Redis")
	}
	return serve(dir, "redis", "Ready to accept connections", func(port, dir string) (string, []string, error) {
		return program, []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir", dir}, nil
	})
}

// empty removes what the server has on disk; it must not run.
func (s *server) empty() error { return os.RemoveAll(filepath.Join(s.dir, "appendonlydir")) }

func (s *server) close() {
	if s != nil {
		if s.Process != nil {
			s.Kill()
		}
		_ = s.log.Close()
	}
}
