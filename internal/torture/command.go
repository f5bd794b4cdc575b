package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/regrant/regrant/internal/process"
)

// command runs one of ours as an operator does, past every proxy, and writes what it
// says to a file.
func (c *cell) command(ctx context.Context, program string, args ...string) error {
	path, err := process.Build("./cmd/" + program)
	if err != nil {
		return err
	}
	config, err := c.WriteConfig()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "commands.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, path, append(args, "--config", config)...)
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	fmt.Fprintf(log, "%s %s: %v\n", program, strings.Join(args, " "), err)
	return err
}

func writeLine(to io.Writer, v any) error { return json.NewEncoder(to).Encode(v) }

// commit is the source's, or "unknown".
func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func machine() string {
	return fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}
