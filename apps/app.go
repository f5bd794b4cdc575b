package apps

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/events"
)

// Version is the layout of the record that this code writes.
const Version = 1

// Status says whether an app's registration is believed to work.
type Status string

// The zero App is OK: most apps never have a record.
const (
	OK        Status = "ok"
	Suspended Status = "suspended"
)

// App is the record of one registration. It is a value; transitions return another.
type App struct {
	Version int `json:"v"`
	// Name is that of the provider that owns the registration.
	Name   string `json:"app"`
	Status Status `json:"status"`
	// Episode counts suspensions. It tells the answer to an attempt that was begun
	// before one from the answer to one begun after it.
	Episode uint64 `json:"episode"`
	// Reason, Since and Link are those of the last suspension; they stay when it ends.
	Reason string         `json:"reason,omitempty"`
	Since  time.Time      `json:"since,omitzero"`
	Link   events.Address `json:"link,omitzero"`
	// ResumedAt is when the last suspension ended.
	ResumedAt time.Time `json:"resumed_at,omitzero"`
	// Announced says that the event about the last change of status is durable.
	Announced bool `json:"announced"`
	// Probes counts the probes of this episode; ProbeHolder took the last one, and
	// NextProbe is when, by its clock, the next may be taken.
	Probes      uint64    `json:"probes,omitempty"`
	ProbeHolder string    `json:"probe_holder,omitempty"`
	NextProbe   time.Time `json:"next_probe,omitzero"`
	// HeldUntil is until when, by the clock of who wrote it, no grant of this app is
	// called dead. Holds counts such times, from the first alarm to the end.
	HeldUntil time.Time `json:"verdicts_held_until,omitzero"`
	Holds     uint64    `json:"holds,omitempty"`
}

// New is an app that nothing is known against.
func New(name string) App { return App{Version: Version, Name: name, Status: OK, Announced: true} }

// ErrRecord means that a stored app cannot be read by this version.
var ErrRecord = errors.New("unreadable record of an app")

// Decode reads a stored app, and refuses a newer layout than it knows.
func Decode(data []byte) (App, error) {
	var a App
	if err := json.Unmarshal(data, &a); err != nil {
		return App{}, fmt.Errorf("%w: not JSON of an app", ErrRecord)
	}
	if a.Version != Version {
		return App{}, fmt.Errorf("%w: layout %d, this worker knows %d: run the newer version", ErrRecord, a.Version, Version)
	}
	return a, a.Validate()
}

// Encode is the stored form.
func (a App) Encode() ([]byte, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(a)
}

// Validate refuses a record that no transition leads to.
func (a App) Validate() error {
	switch {
	case !events.ValidProvider(a.Name):
		return fmt.Errorf("%w: the name %q is not of the form [a-z0-9-]{1,32}", ErrRecord, a.Name)
	case a.Status != OK && a.Status != Suspended:
		return fmt.Errorf("%w: app %s has the status %q", ErrRecord, a.Name, a.Status)
	case a.Status == Suspended && (a.Episode == 0 || a.Since.IsZero()):
		return fmt.Errorf("%w: app %s is suspended since never", ErrRecord, a.Name)
	}
	return nil
}

// Suspended says that no link of the app is to be refreshed but by a probe.
func (a App) Suspended() bool { return a.Status == Suspended }
