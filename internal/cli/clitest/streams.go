package clitest

import (
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
