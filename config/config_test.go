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
		{"unknown key", "prefix:", "prefxi:", `r.yaml:1: unknown field "prefxi"`},
		{"wrong kind", "lock_ttl: 200ms", "lock_ttl: [1]", "r.yaml:6: lock_ttl: a duration such as 30s is needed"},
		{"no duration", "lock_ttl: 200ms", "lock_ttl: fast", "r.yaml:6: lock_ttl: "},
		{"wrong kind inside", "prefix: cell1", "replicas: three", "r.yaml:1: replicas: a number is needed"},
		{"not a list", "tenants: [default, payroll]", "tenants: default", "r.yaml:5: tenants: "},
		{"a key twice", "redis:", "nats:", `r.yaml:2: mapping key "nats" already defined`},
		{"not YAML", "tenants: [default, payroll]", "tenants: [default", "r.yaml:"},
		{"two documents", "tenants: [default, payroll]", "---", "2 YAML documents"},
		{"unknown provider key", "rotation: always", "rotatoin: always", `r.yaml:15: unknown field "rotatoin"`},
		{"wrong kind in a provider", "rotation: always", "concurrency: many", "r.yaml:15: concurrency: a number is needed"},
		{"unknown profile", "profile: generic", "profile: nobody", "nobody"},
		{"provider that is no mapping", good[strings.Index(good, "  op:"):], "  op: 7\n", "r.yaml:8: op: "},
		{"provider without description", good[strings.Index(good, "  op:"):], "  op:\n", "provider op"},
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

// A configuration holds passwords in URLs: what is wrong in one line must not
// put another into a log.
func TestErrorsQuoteNoOtherLine(t *testing.T) {
	text := strings.Replace(good, "redis://127", "redis://u:canary@127", 1)
	for _, bad := range []string{"data_dir: [1]", "tenants: default", "data_dri: x", "lock_ttl: fast", "keys: ["} {
		_, err := config.Parse("r.yaml", []byte(strings.Replace(text, `data_dir: "state"`, bad, 1)))
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("with %s: %v", bad, err)
		}
	}
}

func TestAnEmptyFileIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# nothing\n"} {
		if _, err := config.Parse("r.yaml", []byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
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

func TestAProviderTakesItsAppsRegistration(t *testing.T) {
	c, err := config.Parse("c.yaml", []byte(`
providers:
  bank:
    app: hub
    refresh_idle: 1h
  hub:
    issuer: https://hub.example
    token_url: https://hub.example/token
    client_id: client
    client_secret_file: hub.secret
    auth_style: post
`))
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Providers["bank"]; p.ClientID != "client" || p.TokenURL != "https://hub.example/token" || p.RefreshIdle != time.Hour {
		t.Errorf("bank is %+v", p)
	}
}
