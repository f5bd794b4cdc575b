package client_test

import (
	"net/http"
	"testing"
	"time"
)

// A bearer that is good for long: what every request pays.
func BenchmarkToken(b *testing.B) {
	w := cell(b)
	w.set(first, func(r *record) { r.expires = time.Now().Add(24 * time.Hour) })
	l := w.service(nil).Link("op", "L1")
	serves(b, l, 1)
	ctx := b.Context()
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := l.Token(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := l.Token(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// What the transport adds to a request, above cloning its headers.
func BenchmarkTransport(b *testing.B) {
	w := cell(b)
	l := w.service(nil).Link("op", "L1")
	serves(b, l, 1)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://api.invalid/", nil)
	must(b, err)
	req.Header.Set("Accept", "application/json")
	base := nothing{}
	for name, rt := range map[string]http.RoundTripper{"with": l.Transport(base), "bare clone": cloning{base}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rt.RoundTrip(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// nothing answers at once.
type nothing struct{}

var answered = &http.Response{StatusCode: 200, Body: http.NoBody}

func (nothing) RoundTrip(*http.Request) (*http.Response, error) { return answered, nil }

// cloning is the least that a transport which sets a header must do.
type cloning struct{ base http.RoundTripper }

func (c cloning) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := *r
	sent.Header = r.Header.Clone()
	sent.Header["Authorization"] = []string{"Bearer x"}
	return c.base.RoundTrip(&sent)
}
