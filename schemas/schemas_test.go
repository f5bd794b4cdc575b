package schemas_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"testing"

	"github.com/regrant/regrant/schemas"
)

const base = "https://schemas.regrant.dev/"

func TestEverySchemaKnowsItsPlace(t *testing.T) {
	files, err := fs.Glob(schemas.FS, "*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no schemas", err)
	}
	for _, file := range files {
		text, err := schemas.Get(strings.TrimSuffix(file, ".json"))
		if err != nil {
			t.Fatal(err)
		}
		var s map[string]any
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if s["$id"] != base+file || s["$schema"] != "https://json-schema.org/draft/2020-12/schema" || s["title"] == "" {
			t.Errorf("%s says $id %v, $schema %v, title %v", file, s["$id"], s["$schema"], s["title"])
		}
	}
}

func TestUnknownSchemas(t *testing.T) {
	for _, name := range []string{"", "nonsense.v1", "../go", "token-expired.v2", "token-expired.v1.json"} {
		if _, err := schemas.Get(name); !errors.Is(err, schemas.ErrUnknown) {
			t.Errorf("Get(%q): %v", name, err)
		}
		if err := schemas.Validate(name, []byte("{}")); !errors.Is(err, schemas.ErrUnknown) {
			t.Errorf("Validate(%q): %v", name, err)
		}
	}
}

func TestErrorsNameThePlaceAndNothingElse(t *testing.T) {
	const canary = "cnry-77"
	const who = `"tenant":"t","provider":"p","link":"L1","generation":1,"consent":1,"cause":"import"`
	for name, c := range map[string]struct{ data, location, keyword string }{
		"nested":        {`{` + who + `,"supersedes":{"tenant":"` + strings.ToUpper(canary) + `","provider":"p","link":"L"}}`, "/supersedes/tenant", "pattern"},
		"item":          {`{` + who + `,"accounts":["a",5]}`, "/accounts/1", "type"},
		"unknown":       {`{` + who + `,"` + canary + `":1}`, "", "additionalProperties"},
		"unknown below": {`{` + who + `,"supersedes":{"tenant":"t","provider":"p","link":"L","` + canary + `":1}}`, "/supersedes", "additionalProperties"},
		"time":          {`{` + who + `,"expires_at":"` + canary + `"}`, "/expires_at", "format"},
		"not JSON":      {canary, "", "json"},
		"two texts":     {`{}{}`, "", "json"},
		"missing":       {`{}`, "/cause", "required"},
	} {
		// Often, because the validator visits properties in random order.
		for range 10 {
			err := schemas.Validate("link-created.v1", []byte(c.data))
			var bad *schemas.Error
			if !errors.As(err, &bad) || bad.Location != c.location || bad.Keyword != c.keyword {
				t.Fatalf("%s: got %v, want %s at %q", name, err, c.keyword, c.location)
			}
			if strings.Contains(strings.ToLower(err.Error()), canary) {
				t.Fatalf("%s: the error repeats the data: %v", name, err)
			}
		}
	}
}

// Numbers whose exact value would fill the memory, or that the validator cannot
// hold at all, are as wrong as any other and cost no more.
func TestAbsurdNumbers(t *testing.T) {
	_ = schemas.Validate("token-expired.v1", nil) // compiles the schemas
	for _, number := range []string{"1e999999", "1e-999999", "-1e-999999", "1e-1000001", "1e99999999999", "1e-99999999999", "0.5", "9007199254740993"} {
		data := `{"tenant":"t","provider":"p","link":"L1","reason":"expired","generation":` + number + `}`
		before := allocated()
		err := schemas.Validate("token-expired.v1", []byte(data))
		cost := allocated() - before
		if bad := new(schemas.Error); !errors.As(err, &bad) {
			t.Errorf("%s: %v", number, err)
		}
		if cost > 1<<16 {
			t.Errorf("%s costs %d bytes", number, cost)
		}
	}
}

// allocated counts the bytes that were ever allocated.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
