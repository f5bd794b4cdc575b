package million

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/bench/stand"
)

// patience is how long refreshes may take.
const patience = 30 * time.Second

// Times of refreshes, from a report's publishing to the stored announcement.
type Times struct {
	P50, P99 time.Duration
}

// Compared are refreshes among few and among many links, in turns: one by one, and as
// many as the worker manages.
type Compared struct {
	Few, Many Times
	// FewRate and ManyRate are refreshes a second in a burst.
	FewRate, ManyRate float64
}

// Ratio is how much longer a refresh takes among many links, by its median.
func (c Compared) Ratio() float64 { return float64(c.Many.P50) / float64(c.Few.P50) }

func (c Compared) String() string {
	return fmt.Sprintf("refresh p50 %.2f ms against %.2f (%.2f x), p99 %.2f against %.2f, bursts %.0f/s against %.0f",
		ms(c.Many.P50), ms(c.Few.P50), c.Ratio(), ms(c.Many.P99), ms(c.Few.P99), c.ManyRate, c.FewRate)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (c Config) compare(ctx context.Context, few, many *population) (out Compared, err error) {
	if out, err = oneByOne(ctx, c.Samples, few, many); err != nil {
		return out, err
	}
	var spent [2]time.Duration
	some := max(1, c.Samples/3)
	for range 2 {
		for i, p := range []*population{few, many} {
			took, err := p.refresh(ctx, some)
			if err != nil {
				return out, err
			}
			spent[i] += took
		}
	}
	out.FewRate, out.ManyRate = 2*float64(some)/spent[0].Seconds(), 2*float64(some)/spent[1].Seconds()
	return out, nil
}

func oneByOne(ctx context.Context, n int, few, many *population) (out Compared, err error) {
	var taken [2][]time.Duration
	for range n {
		for i, p := range []*population{few, many} {
			took, err := p.refresh(ctx, 1)
			if err != nil {
				return out, err
			}
			taken[i] = append(taken[i], took)
		}
	}
	return Compared{Few: times(taken[0]), Many: times(taken[1])}, nil
}

// burst is how many refreshes are reported at once to warm the server.
const burst = 500

// warm refreshes as many links as it takes for the server to have each of its blocks of
// 8 MB in memory, where it keeps those that were used in the last ten seconds.
func (c Config) warm(ctx context.Context, many *population) error {
	for range c.Links / 200 / burst {
		if _, err := many.refresh(ctx, burst); err != nil {
			return err
		}
	}
	return nil
}

func times(of []time.Duration) Times {
	slices.Sort(of)
	return Times{P50: of[len(of)/2], P99: of[len(of)*99/100]}
}

// refresh reports the next n links and waits until all are announced.
func (p *population) refresh(ctx context.Context, n int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	announced := make(chan struct{}, n)
	stop, err := p.cell.Bus.Live(ctx, func(_ events.Address, head map[string][]string) {
		if generation, ok := events.GenerationOf(head); ok && generation > 1 {
			announced <- struct{}{}
		}
	})
	if err != nil {
		return 0, err
	}
	defer stop()
	began := time.Now()
	for range n {
		m, err := stand.Report(p.cell.Bus.Names().Subjects(), stand.Address(op, p.number(p.used)))
		if err != nil {
			return 0, err
		}
		p.used++
		if err := p.cell.Bus.Conn().PublishMsg(m); err != nil {
			return 0, err
		}
	}
	for range n {
		select {
		case <-announced:
		case <-ctx.Done():
			return 0, fmt.Errorf("%d of %d refreshes were announced within %s", len(announced), n, patience)
		}
	}
	return time.Since(began), nil
}
