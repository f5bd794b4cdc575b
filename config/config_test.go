package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/providers"
)

const good = `nats: { url: "nats://127.0.0.1:4222", prefix: cell1 }
redis: { url: "redis://127.0.0.1:6379/0" }
keys: { file: "keys.json" }
data_dir: "state"
tenants: [default, payroll]
lock_ttl: 200ms
providers:
  op:
    profile: generic
    issuer: "https://op.example.com"
    token_url: "https://op.example.com/token"
    client_id: "c"
    client_secret_file: "op.secret"
    auth_style: basic
    rotation: always
    replay: {grace: 30s}
`

func TestParse(t *testing.T) {
	c, err := config.Parse("/etc/regrant/regrant.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	c = c.Defaults()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.NATS.Prefix != "cell1" || c.LockTTL != 200*time.Millisecond || len(c.Tenants) != 2 {
		t.Fatalf("read %+v", c)
	}
	if c.Keys.File != "/etc/regrant/keys.json" || c.DataDir != "/etc/regrant/state" {
		t.Fatalf("paths do not count from the file: %s %s", c.Keys.File, c.DataDir)
	}
	if op := c.Providers["op"]; op.Replay.Kind != providers.ReplayGrace || op.Replay.Window != 30*time.Second {
		t.Fatalf("replay rule was read as %v", op.Replay)
	}
}

func TestErrorsNameLineAndField(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unknown key", "prefix:", "prefxi:", "prefxi"},
		{"unknown key line", "prefix:", "prefxi:", "[1:"},
		{"wrong kind", "lock_ttl: 200ms", "lock_ttl: [1]", "[6:"},
		{"unknown provider key", "rotation: always", "rotatoin: always", "rotatoin"},
		{"unknown provider key line", "rotation: always", "rotatoin: always", ":15"},
		{"unknown profile", "profile: generic", "profile: nobody", "nobody"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse("r.yaml", []byte(strings.Replace(good, tt.old, tt.new, 1)))
			if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "r.yaml") {
				t.Fatalf("got %v, want it to name r.yaml and %s", err, tt.want)
			}
		})
	}
}

func TestValidateNamesTheField(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"auth style is mandatory", "    auth_style: basic\n", "", "auth_style"},
		{"http to the world", "https://op.example.com/token", "http://op.example.com/token", "token_url"},
		{"unknown rotation", "rotation: always", "rotation: sometimes", "rotation"},
		{"tenant", "payroll", "Pay_Roll", "Pay_Roll"},
		{"provider name", "  op:", "  OP:", "OP"},
		{"lock ttl", "200ms", "1ms", "lock_ttl"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Parse("r.yaml", []byte(strings.Replace(good, tt.old, tt.new, 1)))
			if err == nil {
				err = c.Defaults().Validate()
			}
			if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want it to name %s", err, tt.want)
			}
		})
	}
}

func TestNoFileIsTheEmbeddedDefault(t *testing.T) {
	c, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c = c.Defaults()
	if c.NATS.URL != "" || c.Redis.URL != "" || c.NATS.Prefix != "regrant" || c.LockTTL != 10*time.Second || c.Tenants[0] != "default" {
		t.Fatalf("defaults are %+v", c)
	}
}
