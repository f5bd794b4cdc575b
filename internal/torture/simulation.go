package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/regrant/regrant/internal/process"
	"github.com/regrant/regrant/internal/torture/nemesis"
	"github.com/regrant/regrant/providers/providertest"
)

// simulator is the provider's process, asked by its control address.
type simulator struct {
	*server
	control string
}

// URL is where workers and browsers find the provider.
func (s *simulator) URL() string { return "http://" + s.addr }

// Endpoints and Issue are those of providertest.Server. Both are asked before there is
// any fault: what fails then ends the run.
func (s *simulator) Endpoints(provider string) (e providertest.Endpoints) {
	s.must("endpoints", url.Values{"provider": {provider}}, &e)
	return e
}

func (s *simulator) Issue(provider, sub string, _ ...providertest.GrantOption) (g providertest.Grant) {
	s.must("issue", url.Values{"provider": {provider}, "sub": {sub}}, &g)
	return g
}

func (s *simulator) must(verb string, values url.Values, out any) {
	if err := s.ask(verb, values, out); err != nil {
		panic(err)
	}
}

// script has the next n requests of a provider meet a fault.
func (s *simulator) script(provider string, kind nemesis.Kind, n int) error {
	return s.ask("script", url.Values{"provider": {provider}, "kind": {string(kind)}, "n": {strconv.Itoa(n)}}, new(int))
}

// unscript takes back what no request has met.
func (s *simulator) unscript(provider string) error {
	return s.ask("unscript", url.Values{"provider": {provider}}, new(bool))
}

// askFor is longer than any pause of the simulator.
const askFor = time.Minute

func (s *simulator) ask(verb string, values url.Values, out any) error {
	client := http.Client{Timeout: askFor}
	resp, err := client.PostForm(s.control+"/"+verb, values)
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(out)
}

func freeAddr() (string, error) {
	port, err := process.FreePort()
	return "127.0.0.1:" + port, err
}
