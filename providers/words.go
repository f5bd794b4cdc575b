package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/regrant/regrant/secret"
)

func (p *Provider) errorf(format string, args ...any) error {
	return fmt.Errorf("provider "+p.name+": "+format, args...)
}

// unsentWords describes a failure before anything was sent. Nothing secret has
// been shown to the other side by then, so the cause may be quoted, without the
// URL that net/http wraps around it.
func unsentWords(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case err == nil:
		return "no request was made"
	case errors.Is(err, errAborted), errors.Is(err, context.Canceled):
		return errAborted.Error()
	case errors.Is(err, errLate), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return errLate.Error()
	}
	return err.Error()
}

// sentWords describes a failure after something was sent. The other side knows
// our secrets by then, and net/http quotes what it cannot parse: so a fixed list.
func sentWords(err error) string {
	var errno syscall.Errno
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errLate), errors.Is(err, os.ErrDeadlineExceeded):
		return errLate.Error()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "the connection was closed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return errLate.Error()
	}
	return "the answer was not HTTP"
}

func statusWords(status int, code string) string {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if code != "" {
		text += " (" + code + ")"
	}
	return strings.TrimSpace(text)
}

// echoes are the secrets that we sent and that must not come back out of us.
type echoes []secret.Value

// clean reduces an error code to what may be logged: a short lower-case word,
// unless the server put one of our own secrets there.
func (e echoes) clean(code string) string {
	code = strings.ToLower(code)
	if knownCodes[code] {
		return code
	}
	if len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789_.") != "" {
		return ""
	}
	for _, s := range e {
		own := strings.ToLower(s.Reveal())
		if own != "" && (strings.Contains(code, own) || strings.Contains(own, code)) {
			return ""
		}
	}
	return code
}
