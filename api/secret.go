package api

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a token on its way to the workers or from them. It marshals to JSON,
// because its request or reply is the one place where it may travel, and prints as
// [redacted] everywhere else. string(s) is the token itself.
type Secret string

// String, GoString, Format and LogValue print [redacted].
func (s Secret) String() string             { return redacted }
func (s Secret) GoString() string           { return redacted }
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }
func (s Secret) LogValue() slog.Value       { return slog.StringValue(redacted) }
