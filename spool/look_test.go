package spool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLookCountsAndChangesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "spool")
	if all, err := Look(root); err != nil || len(all) != 0 {
		t.Fatalf("a root that is not there: %v, %v", all, err)
	}
	live, dead := open(t, root, "live"), open(t, root, "dead")
	put(t, live, "a", "b")
	put(t, dead, "c")
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "dead", "1.journal.torn"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := files(t, root, "dead")
	for range 2 {
		all, err := Look(root)
		if err != nil || !slices.Equal(all, []Waiting{{Worker: "dead", Entries: 1, Others: 1}, {Worker: "live", Alive: true, Entries: 2}}) {
			t.Fatalf("%+v, %v", all, err)
		}
	}
	if !slices.Equal(files(t, root, "dead"), before) {
		t.Errorf("was %v, is %v", before, files(t, root, "dead"))
	}
	entries, err := live.Adopt()
	if !errors.Is(err, ErrLeftover) || len(entries) != 1 || entries[0].Name != "c" {
		t.Errorf("adopted %v, %v", entries, err)
	}
}
