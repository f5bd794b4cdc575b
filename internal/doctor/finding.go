package doctor

import "slices"

// Status is how grave a finding is.
type Status string

// The statuses; the package's documentation says what they mean.
const (
	OK      Status = "ok"
	Unknown Status = "unknown"
	Warn    Status = "warn"
	Error   Status = "error"
	Unsafe  Status = "unsafe"
)

// gravity is the order of the statuses, the gravest last.
var gravity = []Status{OK, Warn, Unknown, Error, Unsafe}

// Finding is what one check says of one subject.
type Finding struct {
	// Check is the name of the check: docs/doctor.md lists them.
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Subject is what was looked at, such as a stream or a file; empty where the check says it.
	Subject string `json:"subject,omitempty"`
	Says    string `json:"says"`
	// Fix is what to do about it, for all but OK.
	Fix string `json:"fix,omitempty"`
}

// Report is all that was found.
type Report struct {
	// Status is the gravest of the findings'.
	Status   Status    `json:"status"`
	Findings []Finding `json:"findings"`
}

func reportOf(all []Finding) Report {
	r := Report{Status: OK, Findings: all}
	for _, f := range all {
		if slices.Index(gravity, f.Status) > slices.Index(gravity, r.Status) {
			r.Status = f.Status
		}
	}
	return r
}

// Bad are the findings of these statuses.
func (r Report) Bad(among ...Status) []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if slices.Contains(among, f.Status) {
			out = append(out, f)
		}
	}
	return out
}

// check collects what one check finds.
type check struct {
	name string
	all  []Finding
}

func (c *check) find(s Status, subject, says, fix string) {
	c.all = append(c.all, Finding{Check: c.name, Status: s, Subject: subject, Says: says, Fix: fix})
}

// or is what was found or, where that is nothing, that all is well.
func (c *check) or(says string) []Finding {
	if len(c.all) == 0 {
		return []Finding{{Check: c.name, Status: OK, Says: says}}
	}
	return c.all
}
