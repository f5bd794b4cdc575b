package limits

import "time"

const (
	// window is the time over which answers are counted.
	window = 5 * time.Minute
	// grain is how exactly: answers are forgotten so much at a time.
	grain = 30 * time.Second
)

// counts is one app's answers in the window, as this process saw them: the links
// that were last answered grant dead, and all answers by grain. It mirrors
// observe.lua.
type counts struct {
	dead map[string]time.Time
	all  map[int64]int
}

func newCounts() *counts { return &counts{dead: map[string]time.Time{}, all: map[int64]int{}} }

// observe adds an answer and returns what is in the window. A link that dies again
// is counted once, or waiting for a verdict would dilute the share of the dead.
func (c *counts) observe(now time.Time, link string, dead bool) (deadLinks, all int) {
	c.forget(now)
	_, known := c.dead[link]
	if !dead || !known {
		c.all[now.UnixNano()/int64(grain)]++
	}
	if delete(c.dead, link); dead {
		c.dead[link] = now
	}
	for _, n := range c.all {
		all += n
	}
	return len(c.dead), max(all, len(c.dead))
}

func (c *counts) forget(now time.Time) {
	since := now.Add(-window)
	for link, at := range c.dead {
		if !at.After(since) {
			delete(c.dead, link)
		}
	}
	for at := range c.all {
		if at <= since.UnixNano()/int64(grain) {
			delete(c.all, at)
		}
	}
}
