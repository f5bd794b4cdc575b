package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/regrant/regrant/internal/torture/nemesis"
	"github.com/regrant/regrant/providers/providertest"
)

// simulate is this program as the provider: a process of its own, whose ledger is on
// disk before anybody sees an answer. The second address is for the driver alone.
func simulate(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("simulator", flag.ContinueOnError)
	dir := flags.String("dir", "", "of the ledger")
	addr := flags.String("addr", "", "of the provider")
	control := flags.String("control", "", "of what the driver asks")
	if err := flags.Parse(args); err != nil {
		return err
	}
	behaviours := map[string]providertest.Behaviour{}
	for _, k := range kinds {
		behaviours[k.name] = k.behaviour
	}
	sim, err := providertest.Start(providertest.Config{
		Dir: *dir, Addr: *addr, Providers: behaviours, Log: slog.New(slog.NewTextHandler(out, nil)),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sim.Close()) }()
	listener, err := net.Listen("tcp", *control)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: controls(sim), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	fmt.Fprintln(out, simulatorReady)
	select {
	case err = <-ended:
		return err
	case <-ctx.Done():
		return errors.Join(server.Close(), ignoreClosed(<-ended))
	}
}

const simulatorReady = "simulator ready"

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// controls are what the driver asks of the provider.
func controls(sim *providertest.Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/endpoints", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(sim.Endpoints(r.FormValue("provider")))
	})
	mux.HandleFunc("/issue", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(sim.Issue(r.FormValue("provider"), r.FormValue("sub")))
	})
	mux.HandleFunc("/script", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		for range n {
			sim.Script(r.FormValue("provider"), scripts[nemesis.Kind(r.FormValue("kind"))])
		}
		_ = json.NewEncoder(w).Encode(n)
	})
	mux.HandleFunc("/unscript", func(w http.ResponseWriter, r *http.Request) {
		sim.Unscript(r.FormValue("provider"))
		_ = json.NewEncoder(w).Encode(true)
	})
	return mux
}

// scripts are the faults of a provider itself.
var scripts = map[nemesis.Kind]providertest.Fault{
	nemesis.Provider429:     {Kind: providertest.Status429, RetryAfter: "1"},
	nemesis.Provider503:     {Kind: providertest.Status500, Status: http.StatusServiceUnavailable},
	nemesis.ProviderHang:    {When: providertest.After, Kind: providertest.Hang},
	nemesis.ProviderGarbage: {When: providertest.After, Kind: providertest.Garbage},
	nemesis.ProviderSlow:    {When: providertest.After, Kind: providertest.Delay, Delay: 3 * time.Second},
	nemesis.ProviderReset:   {When: providertest.After, Kind: providertest.Reset},
}

// ledgerIn is the ledger of a simulator whose directory this is.
func ledgerIn(dir string) string { return filepath.Join(dir, providertest.LedgerName) }

// startSimulator runs this very program as the provider.
func startSimulator(dir string) (*simulator, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &simulator{}
	s.server, err = serve(dir, "simulator", simulatorReady, func(port, dir string) (string, []string, error) {
		control, err := freeAddr()
		s.control = "http://" + control
		return self, []string{simulatorWord, "-dir", dir, "-addr", "127.0.0.1:" + port, "-control", control}, err
	})
	return s, err
}

// simulatorWord makes this program the provider.
const simulatorWord = "simulator"
