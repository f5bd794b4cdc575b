// Package cli holds what both commands do alike: flags that lie over the
// configuration file, exit codes, logging and output.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
)

// The exit codes.
const (
	Done         = 0
	Failed       = 1
	BadInput     = 2
	NotPermitted = 3
)

// ErrBadInput marks errors that the caller mends by other flags or other input.
var ErrBadInput = errors.New("bad input")

// ErrUnsafe marks errors that keep a command from doing what could break a guarantee.
var ErrUnsafe = errors.New("unsafe")

// IO is where a command reads and writes.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
}

// Common are the flags of both commands. Flags go over the environment, which
// goes over the file.
type Common struct {
	Config    string `help:"Configuration file." type:"path" placeholder:"FILE"`
	NATSURL   string `name:"nats-url" help:"NATS server, or several separated by commas; left out: the one that a worker embeds." placeholder:"URL"`
	NATSCreds string `name:"nats-creds" help:"NATS credentials file." type:"path" placeholder:"FILE"`
	JSON      bool   `name:"json" help:"Print JSON for machines."`
	LogLevel  string `help:"Least level that is logged: debug, info, warn or error; left out: info by a worker that runs, else warn." enum:",debug,info,warn,error" default:"" placeholder:"LEVEL"`

	Version kong.VersionFlag `env:"-" help:"Print the version."`

	ConnectTimeout time.Duration `help:"How long to try to reach NATS; a worker that runs tries for ever." default:"10s"`

	IO `kong:"-"`
}

// Load reads the configuration file and lays the flags over it.
func (c *Common) Load() (config.Config, error) {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return cfg, err
	}
	if c.NATSURL != "" {
		cfg.NATS.URL = c.NATSURL
	}
	if c.NATSCreds != "" {
		cfg.NATS.Creds = c.NATSCreds
	}
	return cfg, nil
}

// Log returns the logger of a command that goes on: JSON on standard error with
// --json, else text.
func (c *Common) Log() *slog.Logger { return c.log(slog.LevelInfo) }

func (c *Common) log(level slog.Level) *slog.Logger {
	if c.LogLevel != "" {
		_ = level.UnmarshalText([]byte(c.LogLevel)) // an enum of the command line
	}
	options := &slog.HandlerOptions{Level: level}
	if c.JSON {
		return slog.New(slog.NewJSONHandler(c.Err, options))
	}
	return slog.New(slog.NewTextHandler(c.Err, options))
}

// Connect reaches the cell's NATS. Where none is configured it is the one that
// `worker run` embeds. Unlike a worker, somebody waits for the answer: it tries
// for ConnectTimeout.
func (c *Common) Connect(ctx context.Context, cfg config.Config, role string) (*bus.Bus, error) {
	embedded := cfg.NATS.URL == ""
	if embedded {
		cfg.NATS.URL = "nats://" + cfg.NATS.Embedded
	}
	ctx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{
		URL: cfg.NATS.URL, Creds: cfg.NATS.Creds, Prefix: cfg.NATS.Prefix, Role: role, Name: role, Budget: cfg.Budget(), Log: c.log(slog.LevelWarn),
	})
	if err != nil && embedded {
		err = fmt.Errorf("%w; no NATS URL is configured, so this is the server that `worker run` brings: start that, or give --nats-url", err)
	}
	if err != nil {
		return nil, err
	}
	if err := b.Hears(ctx); err != nil {
		return nil, errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

// Print writes one value as one line of JSON. It is no web page: a URL keeps its &.
func (c *Common) Print(v any) error {
	out := json.NewEncoder(c.Out)
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// Run parses args for the command that app describes and runs the one chosen. It
// returns the exit code.
func Run(ctx context.Context, app any, common *Common, args []string, streams IO, options ...kong.Option) int {
	common.IO = streams
	exited := -1
	parser, err := kong.New(app, append([]kong.Option{
		kong.Writers(streams.Out, streams.Err), kong.Exit(func(code int) { exited = code }), kong.DefaultEnvars("REGRANT"),
		kong.UsageOnError(), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(common), kong.Vars{"version": Version()},
	}, options...)...)
	if err != nil {
		fmt.Fprintln(streams.Err, err)
		return Failed
	}
	chosen, err := parser.Parse(args)
	if exited >= 0 {
		return exited // help or version was asked for
	}
	if err != nil {
		fmt.Fprintf(streams.Err, "%s: %s\nTry --help.\n", parser.Model.Name, discreet(err.Error(), args))
		return BadInput
	}
	if err := chosen.Run(); err != nil {
		fmt.Fprintf(streams.Err, "%s: %s\n", parser.Model.Name, err)
		return Code(err)
	}
	return Done
}

// secretLength is that of the shortest word that may be a token or a code.
const secretLength = 12

// discreet leaves out of a complaint about the command line what was given there
// and may be a secret that slipped: whoever runs the command may keep what it says.
func discreet(complaint string, args []string) string {
	for _, arg := range args {
		if _, value, ok := strings.Cut(arg, "="); ok {
			arg = value
		}
		if len(arg) < secretLength || strings.HasPrefix(arg, "-") {
			continue
		}
		for _, given := range []string{strconv.Quote(arg), arg} {
			complaint = strings.ReplaceAll(complaint, given, "[left out]")
		}
	}
	return complaint
}

// Code is the exit code that an error means.
func Code(err error) int {
	var invalid *events.Invalid
	var refused *api.Error
	switch {
	case err == nil:
		return Done
	case errors.As(err, &refused) && refused.Code == api.Invalid:
		return BadInput
	case errors.As(err, &refused) && refused.Code == api.NotPermitted:
		return NotPermitted
	case errors.Is(err, ErrBadInput), errors.Is(err, config.ErrConfig), errors.Is(err, bus.ErrMisconfigured), errors.Is(err, bus.ErrUnknownProvider), errors.As(err, &invalid):
		return BadInput
	case errors.Is(err, ErrUnsafe), errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrAuthorization), errors.Is(err, os.ErrPermission):
		return NotPermitted
	default:
		return Failed
	}
}

// Main runs a command for the process: until it is done, interrupted or told to
// end.
func Main(run func(ctx context.Context, args []string, streams IO) int) {
	os.Exit(run(untilTold(), os.Args[1:], IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}

// untilTold ends with the first signal, which asks the command to finish what it
// has begun. A second is the system's again, from before the context ends, so
// that whoever cannot wait need not send SIGKILL.
func untilTold() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-told
		signal.Stop(told)
		cancel(fmt.Errorf("signal: %s", s))
	}()
	return ctx
}
