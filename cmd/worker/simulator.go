package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/secret"
)

// simulatorCmd serves the provider of the tests and the demo, for trying a stack out
// before a real provider is asked. Nothing of it is secret but to itself.
type simulatorCmd struct {
	Addr       string `help:"Address that clients use." default:"127.0.0.1:8090" placeholder:"HOST:PORT"`
	Listen     string `help:"Where to listen, if that is another." placeholder:"HOST:PORT"`
	System     string `help:"Simulated system, and the name of the provider." default:"akoya" placeholder:"NAME"`
	SecretFile string `help:"The client secret; made where it is missing." required:"" type:"path" placeholder:"FILE"`
	Dir        string `help:"Directory of the ledger of what was presented; left out: a temporary one." type:"path" placeholder:"DIR"`
	Links      int    `help:"Write so many grants for worker links import." placeholder:"N"`
	LinksFile  string `help:"Where to write them." default:"links.ndjson" type:"path" placeholder:"FILE"`
}

func (s *simulatorCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	server, err := s.start(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if err := s.writeLinks(server); err != nil {
		return err
	}
	at := server.Endpoints(s.System)
	c.Log().Info("simulator", "provider", s.System, "token_url", at.TokenURL, "client_id", at.ClientID, "auth_style", at.AuthStyle)
	<-ctx.Done()
	return nil
}

func (s *simulatorCmd) start(c *cli.Common) (*providertest.Server, error) {
	behaviour, err := providertest.Named(s.System)
	if err != nil {
		return nil, fmt.Errorf("%w: --system: %w", cli.ErrBadInput, err)
	}
	text, err := secretOf(s.SecretFile)
	if err != nil {
		return nil, err
	}
	behaviour.ClientSecret = text.Reveal()
	if s.Dir != "" {
		if err := os.MkdirAll(s.Dir, 0o700); err != nil {
			return nil, err
		}
	}
	listener, err := s.listener()
	if err != nil {
		return nil, fmt.Errorf("%w: simulator: %w", config.ErrConfig, err)
	}
	return providertest.Start(providertest.Config{
		Dir: s.Dir, Listener: listener, Providers: map[string]providertest.Behaviour{s.System: behaviour}, Log: c.Log(),
	})
}

// listener serves on one address what goes by another, as behind a published port.
func (s *simulatorCmd) listener() (net.Listener, error) {
	if s.Listen == "" {
		return net.Listen("tcp", s.Addr)
	}
	shown, err := net.ResolveTCPAddr("tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", s.Listen)
	return shownAs{l, shown}, err
}

type shownAs struct {
	net.Listener
	addr net.Addr
}

func (s shownAs) Addr() net.Addr { return s.addr }

// secretOf reads the client secret, or makes it where the file is missing.
func secretOf(file string) (secret.Value, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(ulid.Make().String() + ulid.Make().String())
		err = os.WriteFile(file, text, 0o600)
	}
	return secret.New(strings.TrimSpace(string(text))), err
}

// writeLinks issues grants whose bearers are good, and writes them as import lines.
func (s *simulatorCmd) writeLinks(server *providertest.Server) error {
	if s.Links == 0 {
		return nil
	}
	var lines strings.Builder
	out := json.NewEncoder(&lines)
	for i := range s.Links {
		sub := fmt.Sprintf("sub-%d", i+1)
		g := server.Issue(s.System, sub)
		err := out.Encode(map[string]any{
			"tenant": "default", "provider": s.System, "link": fmt.Sprintf("L%d", i+1), "user": fmt.Sprintf("user-%d", i+1), "sub": sub,
			"access_token": g.AccessToken, "refresh_token": g.RefreshToken, "id_token": g.IDToken, "expires_at": g.ExpiresAt.UTC().Format(time.RFC3339),
		})
		if err != nil {
			return err
		}
	}
	return os.WriteFile(s.LinksFile, []byte(lines.String()), 0o600)
}
