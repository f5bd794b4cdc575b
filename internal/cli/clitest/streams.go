package clitest

import (
	"context"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func empty(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: empty STREAM")
	}
	ctx, cancel := limited()
	defer cancel()
	s, err := worker(ts).JetStream().Stream(ctx, ts.Getenv("STREAMS")+"_"+args[0])
	ts.Check(err)
	ts.Check(s.Purge(ctx))
}

func lose(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lose STREAM")
	}
	ctx, cancel := limited()
	defer cancel()
	ts.Check(worker(ts).JetStream().DeleteStream(ctx, ts.Getenv("STREAMS")+"_"+args[0]))
}

func grows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: grows STREAM N")
	}
	least, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	ctx, cancel := limited()
	defer cancel()
	s, err := worker(ts).JetStream().Stream(ctx, ts.Getenv("STREAMS")+"_"+args[0])
	ts.Check(err)
	for {
		info, err := s.Info(ctx)
		ts.Check(err)
		if info.State.Msgs >= least {
			return
		}
		pause(ctx)
	}
}

// pause is the time between two looks at a stream; a look after ctx has ended fails.
func pause(ctx context.Context) {
	timer := time.NewTimer(5 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
