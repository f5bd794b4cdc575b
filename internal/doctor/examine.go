package doctor

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/worker"
)

// Options say what to examine, and with which eyes.
type Options struct {
	// Config with its defaults filled in. It need not be valid.
	Config config.Config
	// Role is whose credentials these are: "worker" or "operator". Only a worker's
	// rights are tried.
	Role string
	// Proof is where NATS's own settings can be read.
	Proof Proof
	// Now is this host's clock.
	Now func() time.Time
	// Patience bounds the wait for each server. Zero means 5 s.
	Patience time.Duration
	// Log receives what clients say behind the doctor's back. nil discards it.
	Log *slog.Logger
}

const defaultPatience = 5 * time.Second

func (o Options) filled() Options {
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if o.Role == "" {
		o.Role = "worker"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// plan is what provisioning would make. A cell without a valid provider has no plan.
func (o Options) plan() bus.Plan { return worker.Plan(o.Config) }

// Examine looks at everything and judges it. It changes nothing but a few keys of its
// own on Redis, which end within seconds, and a file in the data directory that it
// removes.
func Examine(ctx context.Context, o Options) Report {
	o = o.filled()
	all := judgeConfig(lookConfig(o.Config))
	all = append(all, judgeDisk(lookDisk(o.Config.DataDir))...)
	keys := lookKeys(o.Config.Keys.File)
	nats, conn := lookNATS(ctx, o)
	if conn != nil {
		defer conn.close()
		nats.Rights = conn.try(ctx, o)
		if nats.AccountErr == nil {
			keys.Sample = conn.sample(ctx, keys.keys)
		}
	}
	redis := lookRedis(ctx, o)
	return reportOf(slices.Concat(all,
		judgeKeys(keys), judgeNATS(nats), judgeRights(nats.Rights), judgeRedis(redis),
		judgeClock("NATS", nats.Clock), judgeClock("Redis", redis.Clock)))
}

// Durable is what stands between a worker and the promise that what was confirmed is
// on disk; nothing, where it is proven. It waits for NATS until ctx ends.
func Durable(ctx context.Context, o Options) []Finding {
	o = o.filled()
	o.Patience = 0
	nats, conn := lookNATS(ctx, o)
	if conn != nil {
		conn.close()
	}
	o.Patience = defaultPatience
	bad := reportOf(slices.Concat(judgeSync(nats), judgeKept(nats))).Bad(Unknown, Warn, Error, Unsafe)
	rest := slices.Concat(judgeDisk(lookDisk(o.Config.DataDir)), judgeRedis(lookRedis(ctx, o)))
	return append(bad, reportOf(rest).Bad(Unsafe)...)
}
