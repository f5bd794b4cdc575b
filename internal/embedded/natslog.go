package embedded

import (
	"errors"
	"fmt"
	"log/slog"
)

// serverLog passes the server's log on to slog and catches its fatal errors:
// with a logger of one's own, the server reports them here and goes on.
type serverLog struct {
	log   *slog.Logger
	fatal chan error // holds the first fatal error; the next ones only reach the log
}

func newServerLog(log *slog.Logger) *serverLog {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &serverLog{log: log, fatal: make(chan error, 1)}
}

// said is the constant message of all entries; the server's words are a value.
const said = "embedded nats-server"

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(said, "said", text(format, v)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Warn(said, "said", text(format, v)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log.Error(said, "said", text(format, v)) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debug(said, "said", text(format, v)) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log.Debug(said, "said", text(format, v)) }

func (l *serverLog) Fatalf(format string, v ...any) {
	msg := text(format, v)
	l.log.Error(said, "said", msg)
	select {
	case l.fatal <- errors.New(msg):
	default:
	}
}

func text(format string, v []any) string { return fmt.Sprintf(format, v...) }
