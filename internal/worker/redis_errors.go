package worker

import (
	"context"
	"errors"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// What of the lock server failed.
const (
	whatDial    = "dial"
	whatCommand = "command"
)

// redisErrors counts what the client of the lock server is refused. Refreshing goes
// on without it, so that nothing else would show a server that is sick.
type redisErrors struct{ count *prometheus.CounterVec }

// DialHook counts connections that were not made.
func (r redisErrors) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		r.note(whatDial, err)
		return conn, err
	}
}

// ProcessHook counts commands that failed.
func (r redisErrors) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		r.note(whatCommand, err)
		return err
	}
}

// ProcessPipelineHook counts pipelines that failed.
func (r redisErrors) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		r.note(whatCommand, err)
		return err
	}
}

// note leaves out what is no failure: a key that is not there, a script that is sent
// for the first time, a caller who gave up.
func (r redisErrors) note(what string, err error) {
	if err == nil || errors.Is(err, redis.Nil) || errors.Is(err, context.Canceled) || redis.HasErrorPrefix(err, "NOSCRIPT") {
		return
	}
	r.count.WithLabelValues(what).Inc()
}
