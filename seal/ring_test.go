package seal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/seal"
)

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// rotate is both steps at once, as a test of one process may do them.
func rotate(keys *seal.Keys) error {
	id, err := keys.Add(day)
	if err == nil {
		err = keys.Promote(id, day)
	}
	return err
}

// edit changes a file and fails the test if it may not.
func edit(t testing.TB, path string, change func(*seal.Keys) error) {
	t.Helper()
	if err := seal.Edit(path, change); err != nil {
		t.Fatal(err)
	}
}

func sealer(t testing.TB, keys *seal.Keys) uint32 {
	t.Helper()
	id, ok := seal.KeyOf(mustSeal(t, keys, canary))
	if !ok {
		t.Fatal("a sealed value does not name its key")
	}
	return id
}

// A key goes through its states one after the other, and seals in one of them only.
func TestAKeyWaitsSealsRetiresAndIsDestroyed(t *testing.T) {
	keys := generate(t)
	first := sealer(t, keys)
	old := mustSeal(t, keys, canary)
	second, err := keys.Add(day)
	if err != nil {
		t.Fatal(err)
	}
	if sealer(t, keys) != first {
		t.Fatal("a key that waits seals already: no other worker could open that")
	}
	if _, err := keys.Add(day); !errors.Is(err, seal.ErrWaiting) {
		t.Fatalf("a second key beside one that waits: %v", err)
	}
	if err := keys.Promote(second, day.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := sealer(t, keys); got != second || keys.Primary() != second {
		t.Fatalf("key %d seals, want %d", got, second)
	}
	if err := keys.Destroy(second, day); !errors.Is(err, seal.ErrPrimary) {
		t.Fatalf("destroying the key that seals: %v", err)
	}
	opens(t, keys, old, canary)
	if err := keys.Destroy(first, day.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	staysShut(t, keys, bound, old)
	for _, k := range []*seal.Keys{keys, reload(t, keys)} {
		all := k.List()
		if len(all) != 2 || all[0].ID != first || all[0].Status != seal.Destroyed || !all[0].Retired.Equal(day.Add(time.Hour)) ||
			!all[0].Destroyed.Equal(day.Add(2*time.Hour)) || all[1].Status != seal.Primary || !all[1].Added.Equal(day) {
			t.Errorf("%+v", all)
		}
	}
	if err := keys.Promote(first, day); !errors.Is(err, seal.ErrNoSuchKey) {
		t.Errorf("promoting what was destroyed: %v", err)
	}
}

func TestOnlySealedValuesNameAKey(t *testing.T) {
	for _, not := range []string{"", "\x01\x01abc", "\x02\x01abcd", "\x01\x00abcd"} {
		if id, ok := seal.KeyOf([]byte(not)); ok {
			t.Errorf("%q names key %d", not, id)
		}
	}
}

// A worker that meets a value of a key which it lacks reads its file anew; where that
// lacks it too, the value is not called damaged.
func TestAnUnknownKeyIsLookedForInTheFile(t *testing.T) {
	path := keysPath(t)
	save(t, generate(t), path)
	worker, other := load(t, path), load(t, path)
	if err := rotate(other); err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, other, canary)
	_, err := worker.Open(bound, sealed)
	wantAdvice(t, err, seal.ErrUnknownKey, "newest copy")
	if !errors.Is(err, seal.ErrNotOpened) {
		t.Error("an unknown key is none of ErrNotOpened")
	}
	newest := filepath.Join(t.TempDir(), "newest.json")
	save(t, other, newest)
	if err := os.Rename(newest, path); err != nil {
		t.Fatal(err)
	}
	opens(t, worker, sealed, canary)
	if worker.Primary() != other.Primary() {
		t.Error("the worker does not seal with the file's primary key")
	}
	damaged := slices.Clone(sealed)
	damaged[len(damaged)-1] ^= 1
	if _, err := worker.Open(bound, damaged); errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("damage is called an unknown key: %v", err)
	}
}

// What must not be taken over leaves the keys as they were.
func TestReloadRefusesWhatWouldLoseAKey(t *testing.T) {
	path := keysPath(t)
	save(t, generate(t), path)
	before := read(t, path)
	edit(t, path, rotate)
	worker := load(t, path)
	sealed := mustSeal(t, worker, canary)
	after := read(t, path)
	foreign := keysPath(t)
	save(t, generate(t), foreign)
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"an old copy": {before, seal.ErrShrunk}, "another cell's": {read(t, foreign), seal.ErrForeign},
		"cut short": {after[:len(after)/2], seal.ErrMalformed},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := worker.Reload(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		opens(t, worker, sealed, canary)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.Reload(); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("no file: %v", err)
	}
	opens(t, worker, sealed, canary)
}

// A key that was destroyed is given up by those who have the file.
func TestReloadGivesUpADestroyedKey(t *testing.T) {
	path := keysPath(t)
	save(t, generate(t), path)
	worker := load(t, path)
	first := worker.Primary()
	sealed := mustSeal(t, worker, canary)
	edit(t, path, rotate)
	edit(t, path, func(k *seal.Keys) error { return k.Destroy(first, day) })
	if changed, err := worker.Reload(); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if changed, err := worker.Reload(); err != nil || changed {
		t.Errorf("an unchanged file was read again: %v, %v", changed, err)
	}
	staysShut(t, worker, bound, sealed)
}

func TestEditKeepsModeAndLeavesNothingBehind(t *testing.T) {
	path := keysPath(t)
	save(t, generate(t), path)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	edit(t, path, rotate)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o400 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
	if n := len(load(t, path).List()); n != 2 {
		t.Errorf("%d keys, want 2", n)
	}
}

// A change that was refused, by the entry of the audit that could not be written say,
// leaves the file alone.
func TestEditWithoutConsentChangesNothing(t *testing.T) {
	path := keysPath(t)
	save(t, generate(t), path)
	before, refused := read(t, path), errors.New("no entry, no effect")
	if err := seal.Edit(path, func(k *seal.Keys) error { return errors.Join(rotate(k), refused) }); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if read(t, path) != before {
		t.Error("the file was changed")
	}
}

func TestEditRefusesWhatItCannotReplace(t *testing.T) {
	path := keysPath(t)
	save(t, generate(t), path)
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	wantAdvice(t, seal.Edit(link, rotate), seal.ErrSymlink, "name the file itself")
	wantAdvice(t, seal.Edit(path+".absent", rotate), seal.ErrNoKeys, "worker keys new")
	wantAdvice(t, seal.Edit(write(t, canary), rotate), seal.ErrMalformed, "backup")
	if err := os.Chmod(path, fs.FileMode(0o644)); err != nil {
		t.Fatal(err)
	}
	wantAdvice(t, seal.Edit(path, rotate), seal.ErrReadable, "chmod 600")
}

// Two operators at once would each write a file without the other's key.
func TestOneEditAtATime(t *testing.T) {
	path := keysPath(t)
	save(t, generate(t), path)
	edit(t, path, func(k *seal.Keys) error {
		wantAdvice(t, seal.Edit(path, rotate), seal.ErrEdited, "try again")
		return rotate(k)
	})
	edit(t, path, rotate)
	if n := strings.Count(read(t, path), "XAesGcmKey"); n != 3 {
		t.Errorf("%d keys, want 3", n)
	}
}
