package providers

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

func TestBuiltinsLoadAndSayWhereTheirFactsAreFrom(t *testing.T) {
	names := BuiltinNames()
	if !slices.IsSorted(names) || !reflect.DeepEqual(names, []string{
		"akoya", "astra", "auth0", "dex", "entra", "generic", "github-apps", "google", "intuit", "nextidentity",
		"okta", "sdk", "shopify", "slack", "wso2", "xero",
	}) {
		t.Fatalf("built-ins: %v", names)
	}
	for _, name := range names {
		p := builtin(t, name)
		if p.Base != name || p.Source == "" || p.VerifiedOn == "" || p.Confidence == "" {
			t.Errorf("%s: base %q, source %q, verified %q, confidence %q", name, p.Base, p.Source, p.VerifiedOn, p.Confidence)
		}
		if p.RenewMargin != time.Minute || p.MinInterval != 30*time.Second || p.Concurrency != 64 {
			t.Errorf("%s does not stand on generic", name)
		}
		p.ClientID, p.TokenURL, p.JWKSURL, p.Issuer = "c", "https://op.example/t", "", "https://op.example"
		if p.IDTokenAlgs != nil {
			p.JWKSURL = "https://op.example/keys"
		}
		p.ClientSecretFile = "secret"
		err := p.Validate("op")
		if name == "generic" {
			p.AuthStyle = AuthPost
			if err == nil || !strings.Contains(err.Error(), "auth_style: is missing") {
				t.Errorf("generic passes without auth_style: %v", err)
			}
			err = p.Validate("op")
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Builtin("../generic"); err == nil || !strings.Contains(err.Error(), "astra") {
		t.Errorf("an unknown built-in: %v", err)
	}
}

// What the five systems document of themselves.
func TestSeedFacts(t *testing.T) {
	akoya, astra, sdk := builtin(t, "akoya"), builtin(t, "astra"), builtin(t, "sdk")
	wso2, next := builtin(t, "wso2"), builtin(t, "nextidentity")
	for what, ok := range map[string]bool{
		"R1 akoya's bearer is the ID token, by its own exp": akoya.Bearer == BearerID && akoya.BearerExpiry == ExpiryJWT,
		"R1 sdk's bearer is a JWT with its own exp":         sdk.Bearer == BearerAccess && sdk.BearerExpiry == ExpiryJWT,
		"R29 nextidentity goes by expires_in":               next.BearerExpiry == ExpiryExpiresIn && next.Bearer == BearerAccess,
		"R4 astra and wso2 have one live bearer":            !astra.PreviousLives() && !wso2.PreviousLives(),
		"R5 akoya has many":                                 akoya.PreviousLives(),
		"R7 astra is safe to repeat":                        astra.Replay == Replay{Kind: ReplaySafe},
		"R7 unknown is forbidden":                           akoya.Replay == Replay{} && sdk.Replay == Replay{} && wso2.Replay == Replay{} && next.Replay == Replay{},
		"R8 astra weekly of ten days":                       astra.KeepAlive == 7*24*time.Hour && astra.RefreshIdle == 10*24*time.Hour,
		"R8 sdk by day five of seven":                       sdk.KeepAlive == 5*24*time.Hour && sdk.RefreshIdle == 7*24*time.Hour,
		"R10 akoya holds":                                   akoya.OnDifferentLogin == PolicyHold && astra.OnDifferentLogin == PolicyReplace,
		"R18 wso2 falls back to the password":               slices.Equal(wso2.Grants, []Grant{GrantRefreshToken, GrantPassword}),
		"R20 sdk falls back to the API key":                 slices.Equal(sdk.Grants, []Grant{GrantRefreshToken, GrantAPIKey}),
		"R2 akoya locks the login, wso2 the user":           akoya.LockBy == LockByLogin && wso2.LockBy == LockByUser,
		"R8 the clocks of others are not known":             akoya.KeepAlive+wso2.KeepAlive+next.KeepAlive == 0,
		"R9 R16 all prompt":                                 len(akoya.PromptBefore) == 2 && len(sdk.PromptBefore) == 2,
		"R21 one device's logout kills all of wso2's":       wso2.RevocationScope == RevokesGrant,
		"R24 nextidentity pins HS256 too":                   slices.Contains(next.IDTokenAlgs, "HS256"),
	} {
		if !ok {
			t.Error(what)
		}
	}
}

func TestReplayForms(t *testing.T) {
	for text, want := range map[string]Replay{
		"safe": {Kind: ReplaySafe}, "forbidden": {}, "unknown": {}, "{grace: 30s}": {ReplayGrace, 30 * time.Second},
		"\n  grace: 30s": {ReplayGrace, 30 * time.Second}, "{until_successor_used: 720h}": {ReplayUntilSuccessorUsed, 720 * time.Hour},
	} {
		p, err := ParseProfile("p.yaml", Profile{}, []byte("replay: "+text))
		if err != nil || p.Replay != want {
			t.Errorf("%q: %v, %v", text, p.Replay, err)
		}
	}
	for _, text := range []string{"always", "grace", "{grace: 0s}", "{grace: -1s}", "{grace: 1s, until_successor_used: 2s}", "{}", "{grease: 30s}", "{grace: soon}", "[safe]", "7"} {
		if _, err := ParseProfile("p.yaml", Profile{}, []byte("rotation: none\nreplay: "+text)); err == nil || !strings.HasPrefix(err.Error(), "p.yaml:2:") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestUnknownAndMisshapenKeysAreNamedWithTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"client_id: c\nreplya: safe":                       `p.yaml:2: unknown field "replya"`,
		"client_id: c\n\nmin_interval: soon":               "p.yaml:3:",
		"client_id: c\nconcurrency: many":                  "p.yaml:2:",
		"terminal_aliases:\n  - {eror: x}":                 `p.yaml:2: unknown field "eror"`,
		"client_id: c\nterminal_aliases:\n  - {field: x}":  "p.yaml:3: a sign that names nothing",
		"client_id: c\nclient_id: d":                       "p.yaml:2:",
		"client_id: [":                                     "p.yaml:1:",
		"rate: {limit: 1, windw: 1s}":                      `p.yaml:1: unknown field "windw"`,
		"client_id: " + canary + "\nclient_secret: hunter": `p.yaml:2: unknown field "client_secret"`,
	} {
		_, err := ParseProfile("p.yaml", Profile{}, []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		} else if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("the source is quoted: %v", err)
		}
	}
}

// A config's mapping, as its loader hands it over.
func TestProfileFromNodeCountsLinesInTheConfig(t *testing.T) {
	config := "tenants: [default]\nproviders:\n  bank:\n    profile: akoya\n    client_id: c\n    min_interval: 0s\n    terminal_aliases: [gone]\n  bad:\n    profile: akoya\n    colour: red\n  worse:\n    profile: nobody\n"
	doc, err := parser.ParseBytes([]byte(config), 0)
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[string]ast.Node{}
	for _, v := range doc.Docs[0].Body.(*ast.MappingNode).Values {
		if v.Key.String() == "providers" {
			for _, p := range v.Value.(*ast.MappingNode).Values {
				nodes[p.Key.String()] = p.Value
			}
		}
	}
	p, err := ProfileFromNode("regrant.yaml", nodes["bank"])
	if err != nil {
		t.Fatal(err)
	}
	if p.Bearer != BearerID || p.ClientID != "c" || p.MinInterval != 0 || len(p.TerminalAliases) != 1 || p.TerminalAliases[0].Error != "gone" {
		t.Errorf("the overlay went wrong: %+v", p)
	}
	if len(builtin(t, "akoya").TerminalAliases) != 2 {
		t.Error("an overlay changed the built-in")
	}
	for name, want := range map[string]string{"bad": "regrant.yaml:10: unknown field", "worse": "regrant.yaml:12: there is no built-in"} {
		if _, err := ProfileFromNode("regrant.yaml", nodes[name]); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateNamesTheField(t *testing.T) {
	good := func() Profile {
		p := builtin(t, "generic")
		p.ClientID, p.TokenURL, p.AuthStyle, p.ClientSecretFile = "c", "https://op.example/t", AuthBasic, "s"
		return p
	}
	if err := good().Validate("op"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Profile)
		want   string
	}{
		"no style":            {func(p *Profile) { p.AuthStyle = "" }, "providers.op.auth_style: is missing"},
		"unknown style":       {func(p *Profile) { p.AuthStyle = "auto" }, "op.auth_style"},
		"style without key":   {func(p *Profile) { p.AuthStyle = "mtls" }, "client_key_file"},
		"no client":           {func(p *Profile) { p.ClientID = "" }, "op.client_id"},
		"no secret":           {func(p *Profile) { p.ClientSecretFile = "" }, "op.client_secret_file"},
		"secret of none":      {func(p *Profile) { p.AuthStyle = AuthNone }, "op.client_secret_file"},
		"two kinds of secret": {func(p *Profile) { p.ClientSecretFiles = []string{"a"} }, "op.client_secret_files"},
		"no url":              {func(p *Profile) { p.TokenURL = "" }, "op.token_url"},
		"not a url":           {func(p *Profile) { p.TokenURL = "op.example" }, "op.token_url"},
		"not in ASCII":        {func(p *Profile) { p.TokenURL = "https://öp.example/t" }, "xn--"},
		"http":                {func(p *Profile) { p.TokenURL = "http://op.example/t" }, "https://"},
		"http inside":         {func(p *Profile) { p.TokenURL, p.AllowPrivate = "http://10.0.0.1/t", true }, "https://"},
		"http loopback":       {func(p *Profile) { p.TokenURL = "http://127.0.0.1/t" }, "allow_loopback"},
		"https loopback":      {func(p *Profile) { p.TokenURL = "https://[::1]/t" }, "allow_loopback"},
		"localhost":           {func(p *Profile) { p.TokenURL = "https://localhost/t" }, "allow_loopback"},
		"private":             {func(p *Profile) { p.TokenURL = "https://192.168.0.1/t" }, "allow_private"},
		"metadata":            {func(p *Profile) { p.TokenURL, p.AllowPrivate = "https://169.254.169.254/t", true }, "no public address"},
		"userinfo":            {func(p *Profile) { p.TokenURL = "https://u:" + canary + "@op.example/t" }, "no credentials"},
		"other url":           {func(p *Profile) { p.RevocationURL = "ftp://op.example" }, "op.revocation_url"},
		"keys without algs":   {func(p *Profile) { p.JWKSURL = "https://op.example/k" }, "op.id_token_algs"},
		"algs without keys":   {func(p *Profile) { p.IDTokenAlgs, p.Issuer = []string{"RS256"}, "x" }, "op.jwks_url"},
		"algs without issuer": {func(p *Profile) { p.IDTokenAlgs = []string{"HS256"} }, "op.issuer"},
		"alg none":            {func(p *Profile) { p.IDTokenAlgs, p.Issuer = []string{"none"}, "x" }, "op.id_token_algs"},
		"rotation":            {func(p *Profile) { p.Rotation = "sometimes" }, "none, optional, always"},
		"window of nothing":   {func(p *Profile) { p.Replay = Replay{Kind: ReplayGrace} }, "op.replay"},
		"window of safe":      {func(p *Profile) { p.Replay = Replay{ReplaySafe, time.Second} }, "op.replay"},
		"window of static":    {func(p *Profile) { p.Rotation, p.Replay = RotationNone, Replay{ReplayGrace, time.Second} }, "op.replay"},
		"last chance":         {func(p *Profile) { p.LastChance, p.Replay = true, Replay{Kind: ReplaySafe} }, "op.last_chance"},
		"renew at":            {func(p *Profile) { p.RenewAt = 1 }, "op.renew_at"},
		"negative":            {func(p *Profile) { p.MinInterval = -1 }, "op.min_interval"},
		"fixed of nothing":    {func(p *Profile) { p.BearerExpiry = ExpiryFixed }, "op.access_ttl_default"},
		"late keep-alive":     {func(p *Profile) { p.KeepAlive, p.RefreshIdle = 2, 2 }, "op.keep_alive"},
		"unknown grant":       {func(p *Profile) { p.Grants = []Grant{"device_code"} }, "op.grants: \"device_code\""},
		"empty grant":         {func(p *Profile) { p.Grants = []Grant{""} }, "op.grants"},
		"grant twice":         {func(p *Profile) { p.Grants = []Grant{GrantPassword, GrantAPIKey, GrantPassword} }, "password twice"},
		"public, alone": {func(p *Profile) {
			p.AuthStyle, p.ClientSecretFile, p.Grants = AuthNone, "", []Grant{GrantClientCredentials}
		}, "op.grants"},
		"lock":             {func(p *Profile) { p.LockBy = "tenant" }, "link, login, user"},
		"key in the grant": {func(p *Profile) { p.APIKey.Parameter = "grant_type" }, "op.api_key"},
		"key in a scope":   {func(p *Profile) { p.APIKey.Parameter = "scope" }, "op.api_key"},
		"key in no name":   {func(p *Profile) { p.APIKey.Parameter = "api key" }, "op.api_key"},
		"no grant type":    {func(p *Profile) { p.APIKey.GrantType = "api key" }, "op.api_key"},
		"rate":             {func(p *Profile) { p.Rate.Limit = 3 }, "op.rate"},
	} {
		p := good()
		c.change(&p)
		if err := p.Validate("op"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("%s quotes a secret", name)
		}
	}
	if err := good().Validate("Op.1"); err == nil {
		t.Error("the name Op.1 would break a subject")
	}
}
