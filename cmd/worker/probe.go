//go:build !failpoint

package main

import (
	"time"

	"github.com/regrant/regrant/handlers"
)

// probe is nothing outside the crash tests, which build with the tag failpoint.
func probe() handlers.Probe { return nil }

// clock is this host's.
func clock() func() time.Time { return time.Now }
