package doctor

import (
	"fmt"
	"time"
)

// From where on a clock that is wrong costs something, and from where on much.
const (
	offsetFelt  = time.Second
	offsetGrave = 10 * time.Second
)

func judgeClock(server string, f clockFacts) []Finding {
	c := check{name: "clock"}
	if !f.Asked {
		return nil // what kept us from asking is said elsewhere
	}
	if f.Err != nil {
		c.find(Unknown, server, "its clock could not be read: "+f.Err.Error(), "mend what is said of "+server+" above, then run the doctor again")
		return c.all
	}
	off := f.Offset.Abs() - f.Within
	status := OK
	switch {
	case off > offsetGrave:
		status = Unsafe
	case off > offsetFelt:
		status = Warn
	}
	if status != OK {
		side := "ahead of"
		if f.Offset < 0 {
			side = "behind"
		}
		c.find(status, server, fmt.Sprintf("this host is %v %s it: expiries and timers are misjudged by as much, so dead bearers are served or good ones renewed. (Who may present a token does not rest on clocks.)",
			off.Round(100*time.Millisecond), side), "synchronise the clocks of both hosts, with chrony or systemd-timesyncd; `timedatectl status` shows each")
	}
	if len(c.all) == 0 {
		return []Finding{{Check: c.name, Status: OK, Subject: server, Says: fmt.Sprintf("within %v of this host's", (f.Offset.Abs()+f.Within).Truncate(time.Millisecond)+time.Millisecond)}}
	}
	return c.all
}
