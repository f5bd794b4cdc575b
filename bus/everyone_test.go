package bus_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/bus"
)

// Everybody who serves the verb answers.
func TestEveryoneIsAsked(t *testing.T) {
	s := newServer(t)
	for _, name := range []string{"a", "b", "c"} {
		b := connect(t, bus.Config{URL: s.run.URL()})
		service, err := b.Serve(t.Context(), bus.ServiceSpec{Name: "regrant", Version: "1.0.0", Endpoints: []bus.Endpoint{
			{Verb: "keys", HandleEveryone: func(context.Context, []byte) ([]byte, error) { return []byte(name), nil }},
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := service.Stop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	asks := connect(t, bus.Config{URL: s.run.URL(), Role: "operator"})
	for verb, want := range map[string][]string{"keys": {"a", "b", "c"}, "nothing": nil} {
		replies, err := asks.RequestEveryone(within(t), verb, time.Second)
		var got []string
		for _, r := range replies {
			got = append(got, string(r))
		}
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", verb, got, err, want)
		}
	}
}
