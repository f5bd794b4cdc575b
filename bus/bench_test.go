package bus_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

// BenchmarkStorm compares what Peek settles with the least that any consumer
// does: receive and acknowledge. It reports events per second; the stale guard is
// worth having only in the same order.
func BenchmarkStorm(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		conn := stormCell(b)
		consumer, err := conn.JetStream().Consumer(b.Context(), conn.Names().In(), conn.Names().WorkerConsumer("op"))
		if err != nil {
			b.Fatal(err)
		}
		left, done := countdown(b.N)
		b.ResetTimer()
		run, err := consumer.Consume(func(m jetstream.Msg) { _ = m.Ack(); left() })
		if err != nil {
			b.Fatal(err)
		}
		<-done
		perSecond(b)
		run.Stop()
		<-run.Closed()
	})
	for _, slots := range []int{16, 64, 512} {
		b.Run(fmt.Sprintf("peek/slots=%d", slots), func(b *testing.B) {
			conn := stormCell(b)
			left, done := countdown(b.N)
			b.ResetTimer()
			c, err := conn.Consume(b.Context(), bus.ConsumerSpec{
				Stream: conn.Names().In(), Durable: conn.Names().WorkerConsumer("op"), Slots: slots,
				Handler: handler{peek: func(m *inbox.Message) (inbox.Verdict, bool) {
					left()
					return inbox.Done(), true
				}},
			})
			if err != nil {
				b.Fatal(err)
			}
			<-done
			perSecond(b)
			stop(b, c)
		})
	}
}

func perSecond(b *testing.B) {
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func countdown(n int) (left func(), done <-chan struct{}) {
	var count atomic.Int64
	end := make(chan struct{})
	return func() {
		if count.Add(1) == int64(n) {
			close(end)
		}
	}, end
}

// stormCell is a cell that holds b.N reports of one link.
func stormCell(b *testing.B) *bus.Bus {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	conn := connect(b, bus.Config{URL: newServer(b).run.URL(), Budget: budget.Of(budget.Default), Log: quiet})
	provision(b, conn, budget.Of(budget.Default))
	subject := conn.Names().Subjects().In(link, events.NameTokenExpired)
	for i := range b.N {
		msg := &nats.Msg{Subject: subject, Data: make([]byte, 400), Header: nats.Header{events.HeaderGeneration: {"1"}}}
		if _, err := conn.JetStream().PublishMsgAsync(msg, jetstream.WithStallWait(patience)); err != nil {
			b.Fatal(err)
		}
		if i%10000 == 9999 {
			<-conn.JetStream().PublishAsyncComplete()
		}
	}
	<-conn.JetStream().PublishAsyncComplete()
	return conn
}

// BenchmarkArm is one timer put in another's place.
func BenchmarkArm(b *testing.B) {
	conn := emptyCell(b)
	for i := range b.N {
		if err := conn.Arm(context.Background(), bus.Timer{Address: link, Number: uint64(i + 1), At: later()}); err != nil {
			b.Fatal(err)
		}
	}
}

func emptyCell(b *testing.B) *bus.Bus {
	conn := connect(b, bus.Config{URL: newServer(b).run.URL(), Budget: budget.Of(budget.Default)})
	provision(b, conn, budget.Of(budget.Default))
	b.ResetTimer()
	return conn
}
