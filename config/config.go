// Package config reads the one file that both commands share. It is strict: an
// unknown key is an error that names its line, because a misspelt `replay` would
// otherwise mean the default. Addresses and limits of providers are checked by
// package providers; relative paths count from the file that names them.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/providers"
)

// Config is what a worker or publisher is told. Its zero value, filled by
// Defaults, is a worker that brings its own NATS and lock server.
type Config struct {
	NATS  NATS  `yaml:"nats"`
	Redis Redis `yaml:"redis"`
	Keys  Keys  `yaml:"keys"`
	// DataDir holds the spool and, in the embedded default, NATS's files and the keys.
	DataDir string `yaml:"data_dir"`
	// Tenants are the applications that own links in this cell; left out: default.
	Tenants []string `yaml:"tenants"`
	// LockTTL is the one number behind all protocol times; left out: 10s. Every
	// worker of a cell must have the same.
	LockTTL time.Duration `yaml:"lock_ttl"`
	// HTTPAddr serves /livez, /readyz and /metrics; left out: not served.
	HTTPAddr string `yaml:"http_addr"`
	// Providers by the name that stands in events and subjects.
	Providers map[string]providers.Profile `yaml:"-"`

	// Dir is the directory of the file: secret files count from here.
	Dir string `yaml:"-"`
}

// NATS says where JetStream is.
type NATS struct {
	// URL of the server or, separated by commas, of several; left out: embedded.
	URL string `yaml:"url"`
	// Creds is a NATS credentials file.
	Creds string `yaml:"creds"`
	// Prefix of every subject, stream and bucket; left out: regrant.
	Prefix string `yaml:"prefix"`
	// Embedded is where the embedded server listens; left out: 127.0.0.1:4222.
	Embedded string `yaml:"embedded"`
	// Replicas of streams and buckets that are provisioned; left out: 1.
	Replicas int `yaml:"replicas"`
}

// Redis says where the locks are.
type Redis struct {
	// URL as go-redis reads it: redis, rediss, unix, cluster and sentinel forms; left out: embedded.
	URL string `yaml:"url"`
	// Embedded is where the embedded lock server listens; left out: 127.0.0.1:6380.
	Embedded string `yaml:"embedded"`
}

// Keys says where the sealing keys are.
type Keys struct {
	// File made by `worker keys new`; left out: keys.json in the data directory.
	File string `yaml:"file"`
}

// ErrConfig marks every error that the operator mends in the configuration.
var ErrConfig = errors.New("configuration")

// file is Config as it stands in the file: providers are laid over their
// built-in profiles one by one.
type file struct {
	Config    `yaml:",inline"`
	Providers map[string]ast.Node `yaml:"providers"`
}

// Load reads a file. An empty path is the configuration of the defaults alone.
func Load(path string) (Config, error) {
	if path == "" {
		return Config{Providers: map[string]providers.Profile{}}, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("%w: there is no file %s", ErrConfig, path)
	}
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return Parse(path, text)
}

// Parse reads the text of a file called path.
func Parse(path string, text []byte) (Config, error) {
	var f file
	node, err := providers.ParseYAML(path, text)
	if err == nil && node != nil {
		err = providers.DecodeStrict(path, node, &f)
	}
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	c := f.Config
	c.Dir = filepath.Dir(path)
	c.Providers = make(map[string]providers.Profile, len(f.Providers))
	for name, node := range f.Providers {
		p, err := providers.ProfileFromNode(path, node)
		if err != nil {
			return Config{}, fmt.Errorf("%w: provider %s: %w", ErrConfig, name, err)
		}
		c.Providers[name] = p
	}
	if c.Providers, err = providers.Share(c.Providers); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

// Defaults fills in what is left out.
func (c Config) Defaults() Config {
	c.NATS.Prefix = cmp.Or(c.NATS.Prefix, "regrant")
	c.NATS.Embedded = cmp.Or(c.NATS.Embedded, "127.0.0.1:4222")
	c.NATS.Creds = c.path(c.NATS.Creds)
	c.Redis.Embedded = cmp.Or(c.Redis.Embedded, "127.0.0.1:6380")
	c.DataDir = c.path(cmp.Or(c.DataDir, "~/.local/state/regrant"))
	c.Keys.File = c.path(cmp.Or(c.Keys.File, filepath.Join(c.DataDir, "keys.json")))
	c.NATS.Replicas = cmp.Or(c.NATS.Replicas, 1)
	c.LockTTL = cmp.Or(c.LockTTL, budget.Default)
	if len(c.Tenants) == 0 {
		c.Tenants = []string{"default"}
	}
	return c
}

// Budget is the set of times that follows from LockTTL.
func (c Config) Budget() budget.Budget { return budget.Of(c.LockTTL) }

// ProviderNames lists the providers in alphabetical order.
func (c Config) ProviderNames() []string {
	names := make([]string, 0, len(c.Providers))
	for name := range c.Providers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Validate checks what can be checked without a network.
func (c Config) Validate() error {
	for _, t := range c.Tenants {
		if err := (events.Address{Tenant: t, Provider: "x", Link: "x"}).Validate(); err != nil {
			return fmt.Errorf("%w: tenants: %q must be 1 to 32 of a-z, 0-9 and -", ErrConfig, t)
		}
	}
	if c.LockTTL < 50*time.Millisecond {
		return fmt.Errorf("%w: lock_ttl: %s is shorter than a lock server can be asked to keep a promise; use at least 1s", ErrConfig, c.LockTTL)
	}
	for _, name := range c.ProviderNames() {
		if !events.ValidProvider(name) {
			return fmt.Errorf("%w: providers: %q must be 1 to 32 of a-z, 0-9 and -", ErrConfig, name)
		}
		if err := c.Providers[name].Validate(name); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	return nil
}

// path resolves ~ and paths relative to the file.
func (c Config) path(p string) string {
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if p == "" || filepath.IsAbs(p) || c.Dir == "" {
		return p
	}
	return filepath.Join(c.Dir, p)
}
