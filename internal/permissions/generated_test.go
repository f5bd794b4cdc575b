package permissions_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/regrant/regrant/internal/permissions"
)

// What is written down is what is tried.
func TestDocumentsAreWhatIsGranted(t *testing.T) {
	head, err := os.ReadFile("testdata/nats.conf.head")
	must(t, err)
	wantFile(t, "../../docs/nats.conf", append(head, accounts(t, example)...))
	wantFile(t, "../../docs/permissions.md", document(t))
}

func wantFile(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(path, want, 0o644))
	}
	if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is not what permissions are now (%v): run `make permissions`, and read the difference", path, err)
	}
}

func accounts(t testing.TB, s permissions.Scope) []byte {
	t.Helper()
	users, err := permissions.Users(s)
	must(t, err)
	var text bytes.Buffer
	must(t, permissions.WriteAccounts(&text, s, users))
	return text.Bytes()
}
