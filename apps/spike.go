package apps

import "context"

// A spike: so many links, and so large a part of an app's refreshes, that answered
// grant dead within HoldFor.
const (
	spikeLinks = 20
	spikeShare = 5 // one in five
)

// Spiking says whether so many dead links, of all answers in the window, are more
// than users who revoke their grants: rather a provider that has lost its memory,
// or a fault of ours. A verdict taken then would ask each of those users in vain.
func Spiking(dead, all int) bool { return dead >= spikeLinks && dead*spikeShare >= all }

// Counter counts an app's answers in a window of HoldFor, fleet-wide where it can.
type Counter interface {
	// Count adds the answer to a refresh of link and returns how many links were
	// last answered grant dead, and how many answers there were, that of a dead link
	// counted once. Only for a dead grant need the numbers be the fleet's, and need it
	// be known to others on return.
	Count(ctx context.Context, app, link string, dead bool) (deadLinks, all int)
}

// Spike watches for spikes of dead grants.
type Spike struct {
	Keeper  *Keeper
	Counter Counter
}

// Observe counts the answer to a refresh, before a verdict is taken on it. While
// there is a spike it has verdicts held (see Held); first is true for the one
// worker of all that raises the alarm. An error means that other workers may not
// know of the hold yet: they count for themselves.
func (s Spike) Observe(ctx context.Context, app, link string, dead bool) (first bool, err error) {
	found, all := s.Counter.Count(ctx, app, link, dead)
	if !dead || !Spiking(found, all) {
		return false, nil
	}
	return s.Keeper.Hold(ctx, app)
}

// Held says whether the app's dead grants are to be left without a verdict now.
func (s Spike) Held(app string) bool { return s.Keeper.Held(app) }
