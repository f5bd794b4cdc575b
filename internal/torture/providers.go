package main

import (
	"time"

	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/torture/judge"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// window is longer than a run: what a grace allows is not to depend on its length.
const window = 12 * time.Hour

// kind is one simulated provider and what Regrant is told of it.
type kind struct {
	name      string
	rule      judge.Rule
	replay    providers.Replay
	rotation  providers.Rotation
	behaviour providertest.Behaviour
	renewAt   float64
}

// kinds: most forbid a second presentation, as most providers do. Slow ones have more
// requests in hand when something dies.
var kinds = []kind{
	{name: "alpha", rule: judge.Forbidden, rotation: providers.RotationAlways, behaviour: signing(providertest.Behaviour{})},
	{name: "bravo", rule: judge.Forbidden, rotation: providers.RotationAlways, behaviour: signing(providertest.Behaviour{Delay: 150 * time.Millisecond})},
	{name: "charlie", rule: judge.Forbidden, rotation: providers.RotationAlways, behaviour: providertest.Behaviour{AccessTTL: 40 * time.Second}, renewAt: 0.7},
	{name: "delta", rule: judge.Grace, rotation: providers.RotationAlways, replay: providers.Replay{Kind: providers.ReplayGrace, Window: window}, behaviour: signing(providertest.Behaviour{Grace: window})},
	{name: "echo", rule: judge.Safe, rotation: providers.RotationOptional, replay: providers.Replay{Kind: providers.ReplaySafe}, behaviour: signing(providertest.Behaviour{Rotation: providertest.ReusableUntilExpiry, Delay: 50 * time.Millisecond})},
	{name: "foxtrot", rule: judge.Safe, rotation: providers.RotationNone, replay: providers.Replay{Kind: providers.ReplaySafe}, behaviour: providertest.Behaviour{Rotation: providertest.None}},
}

func signing(b providertest.Behaviour) providertest.Behaviour {
	b.IDTokens, b.Alg = true, "ES256"
	return b
}

// provider lays a kind over the profile of which nothing is known. No minimum
// interval could hide a second presentation, and a look at the clock is reason enough
// for a refresh at any time.
func (k kind) provider() (fleet.Provider, error) {
	p, err := providers.Builtin("generic")
	if err != nil {
		return fleet.Provider{}, err
	}
	p.Replay, p.Rotation, p.MinInterval, p.RenewAt = k.replay, k.rotation, 0, k.renewAt
	p.RenewMargin, p.PromptBefore = window, nil
	if k.behaviour.IDTokens {
		p.IDTokenAlgs = []string{k.behaviour.Alg}
	}
	return fleet.Provider{Behaviour: k.behaviour, Profile: p}, nil
}

func ruled() map[string]judge.Rule {
	rules := map[string]judge.Rule{}
	for _, k := range kinds {
		rules[k.name] = k.rule
	}
	return rules
}

func names() (all []string) {
	for _, k := range kinds {
		all = append(all, k.name)
	}
	return all
}
