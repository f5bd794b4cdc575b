package doctor

import (
	"slices"
	"strings"
	"testing"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/internal/permissions"
)

// Everything that a worker is granted is tried by an example of it, but for where its
// replies and answers go, and for the asking for passwords.
func TestEverythingGrantedIsTried(t *testing.T) {
	users, err := permissions.For(permissions.Scope{}, permissions.Worker)
	if err != nil {
		t.Fatal(err)
	}
	tried, err := rights(bus.Names{Prefix: "regrant"}, "default", []string{"op"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range slices.Concat(users[0].Publish, users[0].Subscribe) {
		left := strings.HasPrefix(pattern, "_") || strings.Contains(pattern, ".credentials.")
		if is := slices.ContainsFunc(tried, func(r right) bool { return covers(pattern, r.Subject) }); is == left {
			t.Errorf("%s: tried %v, want %v", pattern, is, !left)
		}
	}
	for _, r := range tried {
		if !r.Listens && strings.Contains(r.Subject, "*") || r.For == "" {
			t.Errorf("%+v is no example", r)
		}
	}
}

func TestEveryCommandGrantedIsTried(t *testing.T) {
	probes := ownKeys("regrant").commands()
	for _, command := range permissions.LockCommands() {
		if len(probes[command]) == 0 {
			t.Errorf("%s is granted, and never tried", command)
		}
		delete(probes, command)
	}
	if len(probes) > 0 {
		t.Errorf("tried, and granted to nobody: %v", probes)
	}
}
