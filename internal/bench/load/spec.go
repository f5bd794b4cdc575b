package load

import (
	"flag"
	"fmt"
	"time"
)

// Spec says what to report.
type Spec struct {
	NATSURL, Prefix, Provider string
	// Rate is reports per second, Links how many links are reported, each once.
	Rate, Links int
	// Patience bounds the wait for what was not announced after the last report.
	// Zero: nothing is waited for, and nothing measured.
	Patience time.Duration
}

// Args is the command line that Parse reads.
func (s Spec) Args() []string {
	return []string{
		"-nats-url", s.NATSURL, "-prefix", s.Prefix, "-provider", s.Provider,
		"-rate", fmt.Sprint(s.Rate), "-links", fmt.Sprint(s.Links), "-patience", s.Patience.String(),
	}
}

// Parse reads the command line of a load.
func Parse(args []string) (s Spec, err error) {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.StringVar(&s.NATSURL, "nats-url", "", "")
	f.StringVar(&s.Prefix, "prefix", "", "")
	f.StringVar(&s.Provider, "provider", "", "")
	f.IntVar(&s.Rate, "rate", 0, "")
	f.IntVar(&s.Links, "links", 0, "")
	f.DurationVar(&s.Patience, "patience", 0, "")
	return s, f.Parse(args)
}
