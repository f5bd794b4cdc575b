package limits_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/limits"
	"github.com/regrant/regrant/locks"
)

// BenchmarkTake is what an attempt pays for a token, and a caller for being told to wait.
func BenchmarkTake(b *testing.B) {
	client, err := locks.Dial(testenv.RealRedis(b).URL, normal)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	l := limits.New(client, limits.Config{Worker: "one"})
	defer l.Close()
	for name, r := range map[string]limits.Rate{
		"granted":   {Count: 1 << 30, Per: time.Second, Burst: 1 << 20},
		"denied":    {Count: 1, Per: time.Hour},
		"unlimited": {},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := l.Take(b.Context(), name, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
