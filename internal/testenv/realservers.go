package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/regrant/regrant/internal/process"
)

// RealRedis starts the redis-server of the PATH on a free loopback port, without
// persistence, in a temporary directory; args are added to its command line.
// Without one it skips the test, or fails it under REGRANT_TEST_REDIS=required.
func RealRedis(t testing.TB, args ...string) *Process {
	t.Helper()
	path := redisServer(t)
	dir := t.TempDir()
	return onFreePort(t, "redis", 0, func(port string) Command {
		own := []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"}
		return Command{Path: path, Args: append(own, args...), Dir: dir, Ready: "Ready to accept connections", Log: serverLog(t)}
	})
}

func redisServer(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	switch {
	case err == nil:
		return path
	case os.Getenv("REGRANT_TEST_REDIS") == "required":
		t.Fatal("REGRANT_TEST_REDIS=required, but there is no redis-server on the PATH: install Redis")
	default:
		t.Skip("no redis-server on the PATH: this test needs the real one (embedded tests ran)")
	}
	return ""
}

// RealNATS starts a nats-server process of the version in go.mod with JetStream
// in dir, which outlives it, on a loopback port: port, or a free one if it is 0.
// The program is built on first use, without network once the module is there;
// args are added to its command line.
func RealNATS(t testing.TB, dir string, port int, args ...string) *Process {
	t.Helper()
	path := Build(t, process.NATSServer)
	return onFreePort(t, "nats", port, func(port string) Command {
		own := []string{"-a", "127.0.0.1", "-p", port, "-js", "-sd", dir}
		return Command{Path: path, Args: append(own, args...), Dir: dir, Ready: "Server is ready", Log: serverLog(t)}
	})
}

// portTries is how many ports are tried: another process may take one between
// its choice and the server's start.
const portTries = 5

func onFreePort(t testing.TB, scheme string, port int, command func(port string) Command) *Process {
	t.Helper()
	var err error
	for range portTries {
		chosen := strconv.Itoa(port)
		if port == 0 {
			chosen = freePort(t)
		}
		p := newProcess(t, command(chosen))
		p.URL = fmt.Sprintf("%s://127.0.0.1:%s", scheme, chosen)
		if err = p.start(); err == nil {
			return p
		}
		if port != 0 {
			break
		}
	}
	t.Fatalf("start %s: %v", scheme, err)
	return nil
}

func freePort(t testing.TB) string {
	t.Helper()
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}
