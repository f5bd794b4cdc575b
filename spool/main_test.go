package spool

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// childRole makes the test binary be a worker of its own, which can be killed.
const childRole = "REGRANT_SPOOL_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		if err := beChild(role, os.Args[1], os.Args[2]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// beChild runs one role and prints a line for each thing done. It goes on and
// ends with its standard input.
func beChild(role, root, worker string) error {
	s, err := Open(root, worker)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	input := bufio.NewReader(os.Stdin)
	_, _ = input.ReadString('\n')
	switch role {
	case "put":
		for n := 0; err == nil; n++ {
			name := fmt.Sprintf("%s-%d", worker, n)
			err = s.Put(name, payload(name))
			fmt.Println(name)
		}
		return err
	case "adopt":
		entries, err := s.Adopt()
		for _, e := range entries {
			fmt.Println(e.Name)
		}
		fmt.Println("done", err)
	}
	_, err = io.Copy(io.Discard, input)
	return err
}

// payload is what the tests put under a name: recognisable, of no round size.
func payload(name string) []byte { return bytes.Repeat([]byte(name+"|"), 100) }

// journal is one in which these were put, or removed where they begin with "-".
func journal(names ...string) (text []byte) {
	for _, name := range names {
		r := record{kind: kindPut, name: name, data: payload(name)}
		if gone, ok := strings.CutPrefix(name, "-"); ok {
			r = record{kind: kindRemove, name: gone}
		}
		text = r.append(text)
	}
	return text
}

type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	input io.WriteCloser
	lines *bufio.Scanner
}

// start returns once the child has opened its spool.
func start(t *testing.T, role, root, worker string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], root, worker)
	cmd.Env = append(os.Environ(), childRole+"="+role)
	input, err := cmd.StdinPipe()
	output, outErr := cmd.StdoutPipe()
	if err := errors.Join(err, outErr, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, input: input, lines: bufio.NewScanner(output)}
	t.Cleanup(c.kill)
	if line := c.line(); line != "ready" {
		t.Fatalf("child said %q", line)
	}
	return c
}

func (c *child) goOn() { _, _ = io.WriteString(c.input, "\n") }

func (c *child) line() string {
	c.lines.Scan()
	return c.lines.Text()
}

// kill is kill -9 by pid, and returns when the process is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

func open(t testing.TB, root, worker string) *Spool {
	t.Helper()
	s, err := Open(root, worker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(t testing.TB, s *Spool, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := s.Put(name, payload(name)); err != nil {
			t.Fatal(err)
		}
	}
}

// adopt adopts without problems and checks what the entries hold.
func adopt(t testing.TB, s *Spool) (names []string) {
	t.Helper()
	entries, err := s.Adopt()
	if err != nil {
		t.Fatal(err)
	}
	return check(t, entries)
}

func check(t testing.TB, entries []Entry) (names []string) {
	t.Helper()
	for _, e := range entries {
		if !bytes.Equal(e.Data, payload(e.Name)) {
			t.Errorf("%s holds %d other bytes", e.Name, len(e.Data))
		}
		names = append(names, e.Name)
	}
	return names
}

func want(t testing.TB, got []string, names ...string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Fatalf("got %q, want %q", got, names)
	}
}

// files lists what is in a directory, locks aside.
func files(t testing.TB, parts ...string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Name() != lockName && f.Name() != gateName {
			names = append(names, f.Name())
		}
	}
	return names
}

// leave puts a file of any content where a crash might have left it.
func leave(t testing.TB, data []byte, parts ...string) (path string) {
	t.Helper()
	path = filepath.Join(parts...)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err := errors.Join(err, os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}
