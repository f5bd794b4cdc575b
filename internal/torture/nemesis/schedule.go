package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is what is done.
type Kind string

// What is done to processes and servers.
const (
	WorkerKill     Kind = "worker-kill"  // kill -9, and a new start with what is on the disk
	WorkerClock    Kind = "worker-clock" // the same, and the clock is minutes wrong from then on
	WorkerPause    Kind = "worker-pause" // SIGSTOP
	NATSKill       Kind = "nats-kill"
	NATSPause      Kind = "nats-pause"
	RedisKill      Kind = "redis-kill" // its data survives
	RedisKillEmpty Kind = "redis-kill-empty"
	RedisPause     Kind = "redis-pause"
)

// What is done to the ways between a worker and one of its servers.
const (
	Partition      Kind = "partition"
	Cut            Kind = "cut"
	ReplyLost      Kind = "reply-lost"
	ReplyTruncated Kind = "reply-truncated"
	Delay          Kind = "delay"
)

// What the provider does. N requests meet it; a pause is of its whole process.
const (
	ProviderPause   Kind = "provider-pause"
	Provider429     Kind = "provider-429"
	Provider503     Kind = "provider-503"
	ProviderHang    Kind = "provider-hang"
	ProviderGarbage Kind = "provider-garbage"
	ProviderSlow    Kind = "provider-slow"
	ProviderReset   Kind = "provider-reset" // after it has acted
)

// Action is one thing that is done.
type Action struct {
	Kind Kind
	// Target is whom it is done to: "worker-3", "worker-3/nats", "nats", "redis",
	// "provider/alpha".
	Target string
	// At counts from the beginning; For is how long it lasts, at least.
	At, For time.Duration
	// Amount is a clock's error, or a delay. N is how many requests meet it.
	Amount time.Duration
	N      int
}

func (a Action) String() string {
	return fmt.Sprintf("%s %s at %v for %v", a.Kind, a.Target, a.At.Round(time.Millisecond), a.For.Round(time.Millisecond))
}

// Fleet is what there is to be tortured.
type Fleet struct {
	Workers   int
	Providers []string
	// LockTTL is the unit of pauses and outages.
	LockTTL time.Duration
}

// rate is how often a kind comes, and how long it lasts, in lock TTLs.
type rate struct {
	kind     Kind
	every    time.Duration
	min, max float64
	targets  func(Fleet) []string
}

// rates give, in half an hour, well above 300 kills and 100 pauses of workers and 50
// faults of Redis and of NATS each.
var rates = []rate{
	{WorkerKill, 4800 * time.Millisecond, 0.1, 1.5, workers},
	{WorkerClock, 30 * time.Second, 0.1, 1, workers},
	{WorkerPause, 12 * time.Second, 1, 5, workers},
	{NATSKill, time.Minute, 0.1, 1.5, just("nats")},
	{NATSPause, time.Minute, 0.5, 3, just("nats")},
	{RedisKill, 90 * time.Second, 0.1, 3, just("redis")},
	{RedisKillEmpty, time.Minute, 0.1, 3, just("redis")},
	{RedisPause, 80 * time.Second, 0.5, 4, just("redis")},
	{Partition, 10 * time.Second, 1, 5, ways},
	{Cut, 8 * time.Second, 0, 0, ways},
	{ReplyLost, 6 * time.Second, 2, 4, ways},
	{ReplyTruncated, 9 * time.Second, 2, 4, ways},
	{Delay, 15 * time.Second, 2, 6, ways},
	{ProviderPause, 75 * time.Second, 0.5, 3, just("provider")},
	{Provider429, 45 * time.Second, 2, 4, providers},
	{Provider503, 30 * time.Second, 2, 4, providers},
	{ProviderHang, 40 * time.Second, 2, 4, providers},
	{ProviderGarbage, 40 * time.Second, 2, 4, providers},
	{ProviderSlow, 25 * time.Second, 2, 4, providers},
	{ProviderReset, 30 * time.Second, 2, 4, providers},
}

// Lead is how long nothing is done at the beginning.
const Lead = 2 * time.Second

// maxClock bounds a clock's error, maxDelay a delay.
const (
	maxClock = 2 * time.Minute
	maxDelay = 300 * time.Millisecond
)

// Schedule draws what is done in a time of this length, in order. Each kind comes at
// its own rate, a little early or late; no target suffers two things at once.
func Schedule(seed uint64, length time.Duration, f Fleet) []Action {
	random := rand.New(rand.NewPCG(seed, 0x7047))
	var all []Action
	for _, r := range rates {
		for at := Lead + scale(r.every, random.Float64()); at < length; at += scale(r.every, 0.75+random.Float64()/2) {
			all = append(all, r.draw(random, at, f))
		}
	}
	slices.SortStableFunc(all, func(a, b Action) int { return int(a.At - b.At) })
	return spread(all, f)
}

// draw decides about one action. It always takes as many numbers, so that what it
// decides of one kind leaves the others as they are.
func (r rate) draw(random *rand.Rand, at time.Duration, f Fleet) Action {
	targets := r.targets(f)
	a := Action{
		Kind: r.kind, Target: targets[random.IntN(len(targets))], At: at,
		For: scale(f.LockTTL, r.min+(r.max-r.min)*random.Float64()), N: 1 + random.IntN(4),
	}
	part := random.Float64()
	switch r.kind {
	case WorkerClock:
		a.Amount = scale(2*maxClock, part-0.5)
	case Delay:
		a.Amount = scale(maxDelay, part)
	}
	return a
}

// spread gives what would meet a target that suffers already to the next one that is
// free; where there is none it comes after.
func spread(all []Action, f Fleet) []Action {
	busy := map[string]time.Duration{}
	for i := range all {
		a := &all[i]
		targets := rateOf(a.Kind).targets(f)
		first := slices.Index(targets, a.Target)
		for n := range targets {
			if t := targets[(first+n)%len(targets)]; busy[t] <= a.At {
				a.Target = t
				break
			}
		}
		busy[a.Target] = max(busy[a.Target], a.At) + a.For
	}
	return all
}

func rateOf(k Kind) rate {
	return rates[slices.IndexFunc(rates, func(r rate) bool { return r.kind == k })]
}

func scale(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

func just(target string) func(Fleet) []string {
	return func(Fleet) []string { return []string{target} }
}

// Worker names the i-th worker.
func Worker(i int) string { return fmt.Sprintf("worker-%d", i) }

func workers(f Fleet) (all []string) {
	for i := range f.Workers {
		all = append(all, Worker(i))
	}
	return all
}

// Ways lead from a worker to its servers.
var Ways = []string{"nats", "redis", "provider"}

func ways(f Fleet) (all []string) {
	for _, w := range workers(f) {
		for _, way := range Ways {
			all = append(all, w+"/"+way)
		}
	}
	return all
}

func providers(f Fleet) (all []string) {
	for _, p := range f.Providers {
		all = append(all, "provider/"+p)
	}
	return all
}
