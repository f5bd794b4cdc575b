//go:build !failpoint

package main

import "github.com/regrant/regrant/handlers"

// probe is nothing outside the crash tests, which build with the tag failpoint.
func probe() handlers.Probe { return nil }
