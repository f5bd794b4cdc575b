package permissions_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/internal/permissions"
)

var update = flag.Bool("update", false, "write docs/nats.conf and docs/permissions.md")

// example is what docs/nats.conf shows.
var example = permissions.Scope{Tenant: "default", Provider: "op", Links: []string{"A", "B"}, Subscription: "prompts", ReplayTo: ""}

func TestMain(m *testing.M) {
	users, err := permissions.Users(example)
	if err != nil {
		panic(err)
	}
	for _, u := range users {
		if err := os.Setenv(u.PasswordVariable(), u.Name); err != nil { // servers take the passwords from there
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
