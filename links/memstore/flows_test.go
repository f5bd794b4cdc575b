package memstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/linkstest"
	"github.com/regrant/regrant/links/memstore"
)

func TestFlowsConformance(t *testing.T) {
	linkstest.Flows(t, func(*testing.T) linkstest.FlowStore {
		now := start
		s := memstore.NewFlows(func() time.Time { return now })
		return linkstest.FlowStore{Store: s, Expire: func(*testing.T, string) { now = now.AddDate(1, 0, 0) }}
	})
}

// TestFlowsEndByTheStoresClock: every write starts the life of the record anew.
func TestFlowsEndByTheStoresClock(t *testing.T) {
	now := start
	s := memstore.NewFlows(func() time.Time { return now })
	f := linkstest.SampleFlow("state")
	revision, err := s.Create(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(f.Retention() - 1)
	f.Status = consents.Presented
	if _, err := s.Update(t.Context(), f, revision); err != nil {
		t.Fatal(err)
	}
	now = now.Add(f.Retention() - 1)
	v, err := s.Get(t.Context(), f.Key)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(1)
	if _, err := s.Get(t.Context(), f.Key); !errors.Is(err, links.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	if _, err := s.Update(t.Context(), v.Flow, v.Revision); !errors.Is(err, links.ErrConflict) {
		t.Errorf("Update: %v, want ErrConflict", err)
	}
}

// TestFlowFaults: what is said of the write that makes a code one-use, and what is true.
func TestFlowFaults(t *testing.T) {
	to := func(status consents.Status) func(consents.Flow) bool {
		return func(f consents.Flow) bool { return f.Status == status }
	}
	for name, c := range map[string]struct {
		fault memstore.FlowFault
		want  error
		is    consents.Status
	}{
		"not applied":        {memstore.FlowFault{Op: memstore.Update, Match: to(consents.Presented)}, links.ErrUnknown, consents.Pending},
		"answer lost":        {memstore.FlowFault{Op: memstore.Update, Applied: true}, links.ErrUnknown, consents.Presented},
		"told of a conflict": {memstore.FlowFault{Op: memstore.Update, Applied: true, Err: links.ErrConflict}, links.ErrConflict, consents.Presented},
		"slow":               {memstore.FlowFault{Op: memstore.Update, Pass: true}, nil, consents.Presented},
		"of another status":  {memstore.FlowFault{Op: memstore.Update, Match: to(consents.Applied)}, nil, consents.Presented},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.NewFlows(time.Now)
			f := linkstest.SampleFlow("state")
			revision, err := s.Create(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			s.Inject(c.fault)
			f.Status = consents.Presented
			if _, err := s.Update(t.Context(), f, revision); !errors.Is(err, c.want) || (c.want == nil && err != nil) {
				t.Errorf("Update: %v, want %v", err, c.want)
			}
			if got, err := s.Get(t.Context(), f.Key); err != nil || got.Flow.Status != c.is {
				t.Errorf("%s is stored, %v; want %s", got.Flow.Status, err, c.is)
			}
		})
	}
}
