package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/cli"
)

// readyCmd is the health check of an image that has neither shell nor HTTP client.
type readyCmd struct {
	HTTPAddr string        `name:"http-addr" help:"Where the worker serves /readyz; left out: http_addr of the configuration." placeholder:"HOST:PORT"`
	Within   time.Duration `help:"How long to wait for the answer." default:"3s"`
}

var errNotReady = errors.New("the worker is not ready")

func (r *readyCmd) Run(ctx context.Context, c *cli.Common) error {
	addr := r.HTTPAddr
	if addr == "" {
		cfg, err := c.Load()
		if err != nil {
			return err
		}
		addr = cfg.HTTPAddr
	}
	url, err := readyURL(addr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.Within)
	defer cancel()
	if err := askReady(ctx, url); err != nil {
		return err
	}
	if c.JSON {
		return c.Print(map[string]bool{"ready": true})
	}
	fmt.Fprintln(c.Out, "ready")
	return nil
}

// readyURL takes the address that a worker listens on: one on all interfaces is
// asked on this host.
func readyURL(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return "", fmt.Errorf("%w: no address to ask: give --http-addr, or set http_addr, with the port that the worker serves", config.ErrConfig)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

func askReady(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w; start it with --http-addr", errNotReady, err)
	}
	defer response.Body.Close()
	why, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // the status decides
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", errNotReady, strings.TrimSpace(string(why)))
	}
	return nil
}
