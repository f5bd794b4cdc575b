package report

import (
	"fmt"
	"slices"
	"time"
)

// Line is one claim of a row: a ratio or a figure, and its bar.
type Line struct {
	// Row is the number under which `-rows` finds it.
	Row int `json:"row"`
	// What was measured, and against what.
	What string `json:"what"`
	// Value is the median over the rounds, Rounds what each of them gave.
	Value  float64   `json:"value"`
	Rounds []float64 `json:"rounds,omitempty"`
	// Unit of Value; empty: a ratio.
	Unit string `json:"unit,omitempty"`
	// Bar is what Value must reach; AtMost turns it into what Value must not pass.
	Bar    float64 `json:"bar"`
	AtMost bool    `json:"at_most,omitempty"`
	// Presentations per expiry, the worst of all rounds; 0 where nothing was presented.
	Presentations float64 `json:"presentations,omitempty"`
	// Detail has absolute figures, for orientation.
	Detail string `json:"detail,omitempty"`
	// Commit and When are those of another run, from which the line was kept.
	Commit string    `json:"commit,omitempty"`
	When   time.Time `json:"when,omitzero"`
}

// Twice says that something was presented more than once.
func (l Line) Twice() bool { return l.Presentations != 0 && l.Presentations != 1 }

// Met says whether the bar was reached, and nothing presented twice.
func (l Line) Met() bool {
	if l.Twice() {
		return false
	}
	if l.AtMost {
		return l.Value <= l.Bar
	}
	return l.Value >= l.Bar
}

// Bound is the bar as people write it.
func (l Line) Bound() string {
	sign := "≥"
	if l.AtMost {
		sign = "≤"
	}
	return sign + " " + l.show(l.Bar)
}

// Figure is the value as people write it.
func (l Line) Figure() string { return l.show(l.Value) }

func (l Line) show(v float64) string {
	text := fmt.Sprintf("%.2f", v)
	if v >= 10 || v == float64(int(v)) && l.Unit != "" {
		text = fmt.Sprintf("%.0f", v)
	}
	switch l.Unit {
	case "":
		return text
	default:
		return text + " " + l.Unit
	}
}

// Median of values; 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
