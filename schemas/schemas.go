package schemas

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// AsyncAPI is the name of the AsyncAPI 3 document in FS.
const AsyncAPI = "asyncapi.yaml"

// FS holds the schemas, <name>.v1.json, and the AsyncAPI document.
//
//go:embed *.json asyncapi.yaml
var FS embed.FS

// ErrUnknown says that there is no schema of that name.
var ErrUnknown = errors.New("unknown schema")

// Get returns the text of a schema by its name, e.g. "token-expired.v1".
func Get(name string) ([]byte, error) {
	text, err := FS.ReadFile(name + ".json")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, fmt.Errorf("%w %q", ErrUnknown, name)
	}
	return text, err
}
