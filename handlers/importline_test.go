package handlers_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/regrant/regrant/handlers"
)

func TestImportLineNamesTheFieldAndQuotesNothing(t *testing.T) {
	const token = "canary1token2in3a4line"
	tests := []struct{ name, line, field string }{
		{"no JSON", `access_token=` + token, "line"},
		{"no object", `"` + token + `"`, "line"},
		{"cut off", `{"access_token":"` + token, "line"},
		{"two objects", `{"user":"u"} {"refresh_token":"` + token + `"}`, "line"},
		{"misspelt field", `{"refresh_tokn":"` + token + `"}`, "refresh_tokn"},
		{"a token for a field", `{"` + token + `":"refresh_token"}`, "line"},
		{"wrong kind", `{"refresh_token":["` + token + `"]}`, "refresh_token"},
		{"a number for a token", `{"access_token":1}`, "access_token"},
		{"no time", `{"refresh_token":"x","expires_at":"` + token + `"}`, "expires_at"},
		{"seconds for a time", `{"refresh_expires_at":3600}`, "refresh_expires_at"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := handlers.ParseImportLine([]byte(tt.line))
			var bad *handlers.BadLine
			if !errors.As(err, &bad) || bad.Field != tt.field {
				t.Fatalf("got %v, want field %s", err, tt.field)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Fatalf("the error repeats what the line holds: %v", err)
			}
		})
	}
}
