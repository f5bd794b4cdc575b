package seal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/regrant/regrant/seal"
)

func keysPath(t testing.TB) string { return filepath.Join(t.TempDir(), "keys.json") }

func save(t testing.TB, keys *seal.Keys, path string) {
	t.Helper()
	if err := keys.Save(path); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, path string) *seal.Keys {
	t.Helper()
	keys, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func reload(t testing.TB, keys *seal.Keys) *seal.Keys {
	t.Helper()
	path := keysPath(t)
	save(t, keys, path)
	return load(t, path)
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t testing.TB, text string) (path string) {
	t.Helper()
	path = keysPath(t)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSavedKeysAreTheSameKeys(t *testing.T) {
	keys, path := generate(t), keysPath(t)
	save(t, keys, path)
	loaded := load(t, path)
	opens(t, loaded, mustSeal(t, keys, canary), canary)
	opens(t, keys, mustSeal(t, loaded, canary), canary)
	if keys.Subject("i", "c", "s") != loaded.Subject("i", "c", "s") || keys.User("t", "u") != loaded.User("t", "u") {
		t.Fatal("saving and loading renamed a person")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Fatalf("Save left %v, %v", entries, err)
	}
}

func TestSaveNeverTouchesAnExistingFile(t *testing.T) {
	for _, text := range []string{"", "precious"} {
		path := write(t, text)
		if err := generate(t).Save(path); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("saving over a file: %v", err)
		}
		if got := read(t, path); got != text {
			t.Fatalf("the file now holds %q", got)
		}
	}
}

// Workers that start together without keys must end with one set of them.
func TestOfManySavesOneWinsAndTheOthersCanLoadItAtOnce(t *testing.T) {
	path := keysPath(t)
	var winners atomic.Int32
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			keys, err := seal.Generate()
			if err != nil {
				t.Error(err)
				return
			}
			if err = keys.Save(path); err == nil {
				winners.Add(1)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
			if _, err := seal.Load(path); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	if winners.Load() != 1 {
		t.Fatalf("%d saves succeeded", winners.Load())
	}
}

func TestSaveWithoutItsDirectorySaysWhatToDo(t *testing.T) {
	err := generate(t).Save(filepath.Join(t.TempDir(), "absent", "keys.json"))
	wantAdvice(t, err, fs.ErrNotExist, "must exist")
}

func TestLoadRefusesAFileThatOthersCanReach(t *testing.T) {
	path := keysPath(t)
	save(t, generate(t), path)
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := seal.Load(path)
		wantAdvice(t, err, seal.ErrReadable, "chmod 600 "+path)
	}
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		load(t, path)
	}
}

func TestLoadJudgesTheFileBehindALink(t *testing.T) {
	path := keysPath(t)
	save(t, generate(t), path)
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	load(t, link)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load(link); !errors.Is(err, seal.ErrReadable) {
		t.Fatalf("a readable file behind a link: %v", err)
	}
}

func TestLoadOfNothingNamesTheCommand(t *testing.T) {
	path := keysPath(t)
	_, err := seal.Load(path)
	wantAdvice(t, err, seal.ErrNoKeys, path, "worker keys new")
}

func TestLoadNamesTheMalformedFieldAndQuotesNothing(t *testing.T) {
	path := keysPath(t)
	save(t, generate(t), path)
	good := read(t, path)
	edit := func(old, replacement string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the keys file has no %s", old)
		}
		return strings.Replace(good, old, replacement, 1)
	}
	for name, c := range map[string]struct{ text, names string }{
		"empty":           {"", "byte 0"},
		"not JSON":        {canary, "byte 0"},
		"cut short":       {good[:len(good)/2], "byte"},
		"text behind":     {good + canary, "after the JSON object"},
		"array":           {"[]", "not the JSON object"},
		"unknown field":   {edit(`"version"`, `"`+canary+`":1,"version"`), "not the JSON object"},
		"no version":      {edit(`"version": 1,`, ""), `"version"`},
		"other version":   {edit(`"version": 1,`, `"version": 2,`), `"version"`},
		"version text":    {edit(`"version": 1,`, `"version": "`+canary+`",`), `"version"`},
		"no subject":      {`{"version":1,"sealing":{}}`, `"subject"`},
		"short subject":   {`{"version":1,"sealing":{},"subject":"QUJD"}`, `"subject"`},
		"subject not b64": {edit(`"subject": "`, `"subject": "`+canary), `"subject"`},
		"keyset is null":  {sealingOf(good, `null`), `"sealing"`},
		"keyset is text":  {sealingOf(good, `"`+canary+`"`), `"sealing"`},
		"keyset is empty": {sealingOf(good, `{}`), `"sealing"`},
		"key not b64":     {edit(`"value": "`, `"value": "!`+canary), `"sealing"`},
		"other primitive": {edit("XAesGcmKey", "HmacKey"), `"sealing"`},
		"no such primary": {edit(`"primaryKeyId": `, `"primaryKeyId": 1`), `"sealing"`},
		"key disabled":    {edit("ENABLED", "DISABLED"), `"sealing"`},
		"disk image":      {strings.Repeat(" ", 2<<20), "byte"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.text)
			_, err := seal.Load(path)
			wantAdvice(t, err, seal.ErrMalformed, path, c.names, "backup")
		})
	}
}

// sealingOf replaces the keyset of a keys file.
func sealingOf(good, keyset string) string {
	head, rest, _ := strings.Cut(good, `"sealing": `)
	return head + `"sealing": ` + keyset + ", " + rest[strings.Index(rest, `"subject"`):]
}

func TestLoadRefusesADirectory(t *testing.T) {
	_, err := seal.Load(t.TempDir())
	wantAdvice(t, err, seal.ErrMalformed, "keys.file")
}

func wantAdvice(t *testing.T, err, kind error, parts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not mention %q", err, part)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the error quotes the file: %v", err)
	}
}
