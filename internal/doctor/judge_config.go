package doctor

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/providers"
)

// leastTTL is the shortest lock_ttl that leaves providers time to answer.
const leastTTL = time.Second

func judgeConfig(f configFacts) []Finding {
	return slices.Concat(judgeFile(f), judgeProviders(f), judgeSecretFiles(f.Files))
}

func judgeFile(f configFacts) []Finding {
	c := check{name: "config"}
	for _, err := range f.Invalid {
		c.find(Error, "", "a worker refuses this configuration: "+err.Error(), "correct the field that it names")
	}
	if len(f.Config.Providers) == 0 {
		c.find(Error, "", "no provider is configured: there is nothing to refresh", "add one under `providers`, as the README shows")
	}
	if ttl := f.Config.LockTTL; ttl < leastTTL {
		b := f.Config.Budget()
		c.find(Unsafe, "lock_ttl", fmt.Sprintf("%v gives a provider %v to answer, and %v where a call may not be repeated: an answer that is cut off costs its user a consent", ttl, b.Deadline, b.DeadlineOnce),
			"leave `lock_ttl` out (10s), for all workers of the cell alike")
	}
	if f.Config.NATS.URL != "" && f.Config.Redis.URL == "" {
		c.find(Warn, "redis.url", "each worker brings a lock server of its own, so workers get in each other's way: nothing is refreshed twice, and much is tried twice",
			"give all workers one Redis: `redis: { url: \"redis://HOST:6379/0\" }`")
	}
	return c.or(fmt.Sprintf("%d providers, lock_ttl %v", len(f.Config.Providers), f.Config.LockTTL))
}

func judgeProviders(f configFacts) []Finding {
	c := check{name: "providers"}
	for _, name := range f.Config.ProviderNames() {
		if err := f.Refused[name]; err != nil {
			c.find(Error, name, "a worker refuses this provider: "+err.Error(), "correct the field that it names; `worker providers show "+name+"` prints what it inherits")
			continue
		}
		judgeReplay(&c, f.Config, name)
		judgeAddresses(&c, name, f.Config.Providers[name])
	}
	return c.or("every profile can be used, and no rule contradicts another")
}

// judgeReplay holds what may be presented again against what the provider does when
// it sees a refresh token twice.
func judgeReplay(c *check, cfg config.Config, name string) {
	p, b := cfg.Providers[name], cfg.Budget()
	revokes := p.OnReuse == providers.ReuseRevokesFamily || p.OnReuse == providers.ReuseRevokesSession
	rotates := p.Rotation != providers.RotationNone
	field := "providers." + name + ".replay"
	switch {
	case p.Replay.Kind == providers.ReplaySafe && rotates && revokes:
		c.find(Unsafe, name, fmt.Sprintf("replay: safe presents a refresh token again after a lost answer, and on_reuse: %s says that this ends the user's grant", p.OnReuse),
			"write `replay: forbidden` under "+field+", or {grace: …} if the provider documents a window")
	case p.Replay.Kind == providers.ReplaySafe && p.Rotation == providers.RotationAlways && p.OnReuse == "":
		c.find(Warn, name, "replay: safe presents a refresh token again after a lost answer; the provider rotates tokens, and what it does with a used one is not written down",
			"ask the provider, then write on_reuse: ignore beside it, or `replay: forbidden` under "+field)
	case p.Replay.Kind == providers.ReplayGrace && p.Replay.Window <= b.Deadline:
		c.find(Warn, name, fmt.Sprintf("the window of %v never holds a second call, which may take %v: a lost answer is handled as under forbidden", p.Replay.Window, b.Deadline),
			"write the provider's real window under "+field+", or `replay: forbidden`")
	}
}

// judgeAddresses finds what belongs to tests. That every address is https or this
// host's own, the profile's validation sees to.
func judgeAddresses(c *check, name string, p providers.Profile) {
	u, err := url.Parse(p.TokenURL)
	if err != nil {
		return
	}
	addr, notAddr := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || notAddr == nil && addr.IsLoopback()
	switch {
	case p.AllowLoopback && !local:
		c.find(Warn, name, "allow_loopback: true lets the provider's names lead to this host, though token_url is elsewhere: whoever answers its DNS can make the worker call services here",
			"remove allow_loopback from providers."+name)
	case u.Scheme == "http":
		c.find(Warn, name, "token_url is http: refresh tokens and the client secret cross this host in clear text",
			"use it for tests only; give providers."+name+".token_url an https:// address")
	}
}

func judgeSecretFiles(files []secretFile) []Finding {
	c := check{name: "secret-files"}
	for _, f := range files {
		if f.Mode&0o077 != 0 {
			c.find(Warn, f.Path, fmt.Sprintf("has mode %04o: others on this host may read the client secret of %s", f.Mode, f.Provider), "run `chmod 600 "+f.Path+"`")
		}
	}
	return c.or(fmt.Sprintf("%d files, readable by their owner only", len(files)))
}
