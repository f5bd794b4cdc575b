package cli_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/regrant/regrant/internal/cli"
)

// stubbornEnv turns the test's binary into a command that hears the first
// signal and never comes to its end.
const stubbornEnv = "REGRANT_TEST_STUBBORN"

func TestMain(m *testing.M) {
	if os.Getenv(stubbornEnv) != "" {
		cli.Main(stubborn)
	}
	os.Exit(m.Run())
}

func stubborn(ctx context.Context, _ []string, streams cli.IO) int {
	fmt.Fprintln(streams.Out, "started")
	<-ctx.Done()
	fmt.Fprintln(streams.Out, "told")
	select {}
}

func TestASecondSignalEndsWhatDoesNotFinish(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), stubbornEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, want := range []string{"started", "told"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("it said %q, want %q", lines.Text(), want)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Fatalf("ended with %v, want the second SIGTERM", err)
	}
}
