package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/secret"
)

// ImportLine is one grant to import. Its tokens are secrets from the first byte.
type ImportLine struct {
	events.Address
	User, Nickname, Sub         string
	Access, Refresh, ID, APIKey secret.Value
	ExpiresAt, RefreshExpiresAt time.Time
	Scopes                      []string
}

// BadLine is an import line that cannot be imported, and why.
type BadLine struct{ Field, Problem string }

func (e *BadLine) Error() string { return e.Field + ": " + e.Problem }

// importText is an import line as it is written.
type importText struct {
	Tenant, Provider, Link, User, Nickname, Sub string

	AccessToken      string     `json:"access_token"`
	RefreshToken     string     `json:"refresh_token"`
	IDToken          string     `json:"id_token"`
	APIKey           string     `json:"api_key"`
	ExpiresAt        importTime `json:"expires_at"`
	RefreshExpiresAt importTime `json:"refresh_expires_at"`
	Scope            string     `json:"scope"`
}

// importTime is a time that, malformed, leaves the naming of its field to the decoder.
type importTime struct{ time.Time }

func (t *importTime) UnmarshalJSON(text []byte) error {
	if t.Time.UnmarshalJSON(text) != nil {
		return &json.UnmarshalTypeError{Value: "time", Type: reflect.TypeFor[time.Time]()}
	}
	return nil
}

// ParseImportLine reads one line. Unknown fields are refused: a misspelt
// refresh_token would import a link that cannot be refreshed. So is a second
// object, which would be a link left out in silence.
func ParseImportLine(text []byte) (ImportLine, error) {
	var in importText
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return ImportLine{}, &BadLine{Field: jsonField(err), Problem: "is not what an import line has there"}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return ImportLine{}, &BadLine{Field: "line", Problem: "holds more than one JSON object"}
	}
	return ImportLine{
		Address: events.Address{Tenant: in.Tenant, Provider: in.Provider, Link: in.Link},
		User:    in.User, Nickname: in.Nickname, Sub: in.Sub,
		Access: secret.New(in.AccessToken), Refresh: secret.New(in.RefreshToken), ID: secret.New(in.IDToken), APIKey: secret.New(in.APIKey),
		ExpiresAt: in.ExpiresAt.Time, RefreshExpiresAt: in.RefreshExpiresAt.Time, Scopes: strings.Fields(in.Scope),
	}, nil
}

// fieldName is what a misspelt field may look like. Anything else in its place
// may be a token that slipped, and is not repeated.
var fieldName = regexp.MustCompile(`^[A-Za-z_]{1,24}$`)

// jsonField names the field at fault. The decoder's own text may quote a value.
func jsonField(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return wrong.Field
	}
	_, name, _ := strings.Cut(err.Error(), "unknown field ")
	if name = strings.Trim(name, `"`); fieldName.MatchString(name) {
		return name
	}
	return "line"
}
