package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/regrant/regrant/internal/process"
)

// machine describes this one in a line, with how busy it was before the start.
func machine() string {
	words := []string{fmt.Sprintf("%d × %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name", runtime.GOARCH))}
	var kilobytes float64
	if _, err := fmt.Sscanf(field("/proc/meminfo", "MemTotal", ""), "%f kB", &kilobytes); err == nil {
		words = append(words, fmt.Sprintf("%.0f GiB of memory", kilobytes/(1<<20)))
	}
	words = append(words, runtime.GOOS+" "+line("/proc/sys/kernel/osrelease"))
	if load, _, found := strings.Cut(line("/proc/loadavg"), " "); found {
		words = append(words, "load "+load+" before the start")
	}
	return strings.Join(words, ", ")
}

// field reads the first "name: value" of a file.
func field(file, name, otherwise string) string {
	text, _ := os.ReadFile(file) // other systems have none
	for l := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(l, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

func line(file string) string {
	text, _ := os.ReadFile(file)
	return strings.TrimSpace(string(text))
}

// versions of what was measured, as far as they tell.
func versions(ctx context.Context) []string {
	found := []string{runtime.Version()}
	if program, err := process.Build(process.NATSServer); err == nil {
		found = append(found, output(ctx, program, "-v"))
	}
	if text := output(ctx, "redis-server", "--version"); text != "" {
		number, _, _ := strings.Cut(strings.TrimPrefix(text, "Redis server v="), " ")
		found = append(found, "Redis "+number)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/nats-io/nats.go" {
				found = append(found, "nats.go "+m.Version)
			}
		}
	}
	return found
}

// commit that was measured; empty where git cannot tell.
func commit(ctx context.Context) string { return output(ctx, "git", "describe", "--always", "--dirty") }

func output(ctx context.Context, program string, args ...string) string {
	text, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
