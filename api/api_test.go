package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
)

const canary = "cnry-77"

var (
	begin = api.ConsentBegin{Provider: "op", Link: "L1", User: "u", Nickname: "Joint", RedirectURI: "https://shop.example.com/cb",
		Scopes: []string{"openid", "accounts"}, Prompt: "login consent", LoginHint: "anna"}
	stage = api.Stage{Provider: "op", User: "u", AccessToken: canary, RefreshToken: canary, IDToken: canary,
		TokenType: "Bearer", ExpiresIn: 300, Scope: new(string), Nonce: "n"}
)

// refused says that an error is the refusal of one field, without anything of it.
func refused(t *testing.T, what string, err error, field string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.Invalid || !strings.HasPrefix(e.Message, field+": ") {
		t.Errorf("%s: got %v, want %s refused", what, err, field)
	}
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("%s: the error repeats what was sent: %v", what, err)
	}
}

func TestRequestsAreReadAsSent(t *testing.T) {
	for _, in := range []api.Request{begin, stage, api.List{User: "u"}} {
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out api.Request
		switch in.(type) {
		case api.ConsentBegin:
			out, err = api.Decode[api.ConsentBegin](text)
		case api.Stage:
			out, err = api.Decode[api.Stage](text)
		case api.List:
			out, err = api.Decode[api.List](text)
		}
		if err != nil || !reflect.DeepEqual(in, out) {
			t.Errorf("%s came back as %#v, %v", text, out, err)
		}
	}
}

func TestBodiesAreReadStrictly(t *testing.T) {
	for name, c := range map[string]struct{ body, field string }{
		"empty":         {``, "body"},
		"not JSON":      {canary, "body"},
		"null":          {`null`, "user"},
		"a list":        {`[]`, "body"},
		"a text":        {`"` + canary + `"`, "body"},
		"two objects":   {`{"user":"u"}{"user":"v"}`, "body"},
		"twice":         {`{"user":"u","user":"v"}`, "body"},
		"twice, folded": {`{"user":"u","USER":"v"}`, "body"},
		"deep":          {`{"user":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, "body"},
		"unknown":       {`{"user":"u","nick":"` + canary + `"}`, "nick"},
		"unknown odd":   {`{"user":"u","` + canary + `":1}`, "body"},
		"wrong type":    {`{"user":5}`, "user"},
		"not UTF-8":     {"{\"user\":\"\xff\"}", "body"},
		"large":         {`{"user":"` + strings.Repeat("u", api.MaxRequest) + `"}`, "body"},
		"missing":       {`{}`, "user"},
	} {
		_, err := api.Decode[api.List]([]byte(c.body))
		refused(t, name, err, c.field)
	}
}

func TestConsentBeginNamesTheField(t *testing.T) {
	for field, spoil := range map[string][]func(*api.ConsentBegin){
		"provider":   {func(r *api.ConsentBegin) { r.Provider = "" }, func(r *api.ConsentBegin) { r.Provider = "O P" }},
		"link":       {func(r *api.ConsentBegin) { r.Link = canary + ".*" }},
		"user":       {func(r *api.ConsentBegin) { r.User = "" }, func(r *api.ConsentBegin) { r.User = "\x1b[2J" + canary }, func(r *api.ConsentBegin) { r.User = strings.Repeat("u", 257) }},
		"nickname":   {func(r *api.ConsentBegin) { r.Nickname = canary + "\n" }},
		"login_hint": {func(r *api.ConsentBegin) { r.LoginHint = canary + "\n" }},
		"prompt":     {func(r *api.ConsentBegin) { r.Prompt = canary }, func(r *api.ConsentBegin) { r.Prompt = " " }},
		"scopes": {func(r *api.ConsentBegin) { r.Scopes = []string{"openid accounts"} }, func(r *api.ConsentBegin) { r.Scopes = []string{""} },
			func(r *api.ConsentBegin) { r.Scopes = []string{`"` + canary} }, func(r *api.ConsentBegin) { r.Scopes = make([]string, 101) }},
		"redirect_uri": {func(r *api.ConsentBegin) { r.RedirectURI = "" }, func(r *api.ConsentBegin) { r.RedirectURI = "/cb" },
			func(r *api.ConsentBegin) { r.RedirectURI = "https://h/#" + canary }, func(r *api.ConsentBegin) { r.RedirectURI = "https://h/#" },
			func(r *api.ConsentBegin) { r.RedirectURI = "https://" + canary + " /" }},
	} {
		for i, change := range spoil {
			r := begin
			change(&r)
			refused(t, fmt.Sprint(field, i), r.Validate(), field)
		}
	}
	if err := (api.ConsentBegin{Provider: "op", User: "u", RedirectURI: "app.example:/cb?x=1"}).Validate(); err != nil {
		t.Errorf("the least there is: %v", err)
	}
}

func TestStageNamesTheField(t *testing.T) {
	long := "a " + strings.Repeat("b", 300)
	for field, spoil := range map[string]func(*api.Stage){
		"provider":      func(r *api.Stage) { r.Provider = "" },
		"link":          func(r *api.Stage) { r.Link = "a.b" },
		"user":          func(r *api.Stage) { r.User = "" },
		"nickname":      func(r *api.Stage) { r.Nickname = "\x00" },
		"access_token":  func(r *api.Stage) { r.AccessToken, r.IDToken = "", "" },
		"refresh_token": func(r *api.Stage) { r.RefreshToken = canary + "\n" },
		"id_token":      func(r *api.Stage) { r.IDToken = api.Secret(strings.Repeat("x", 40<<10)) },
		"token_type":    func(r *api.Stage) { r.TokenType = "\x7f" },
		"expires_in":    func(r *api.Stage) { r.ExpiresIn = -1 },
		"scope":         func(r *api.Stage) { r.Scope = &long },
		"nonce":         func(r *api.Stage) { r.Nonce = strings.Repeat("n", 300) },
	} {
		r := stage
		spoil(&r)
		refused(t, field, r.Validate(), field)
	}
	if err := (api.Stage{Provider: "op", User: "u", IDToken: "x"}).Validate(); err != nil {
		t.Errorf("the least there is: %v", err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	begun := api.ConsentBegun{Link: "L1", State: canary, AuthorizeURL: "https://op.example.com/?state=" + canary, ExpiresAt: time.Now()}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "begun", begun, "token", stage.AccessToken)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "begun", &begun, "stage", stage)
	all := log.String()
	for _, v := range []any{begun, &begun, stage, &stage, stage.IDToken, []any{begun, stage}} {
		all += fmt.Sprintf("%v %+v %#v %s %q %x %d", v, v, v, v, v, v, v)
	}
	if strings.Contains(all, canary) || strings.Contains(all, fmt.Sprintf("%x", canary)) {
		t.Error(all)
	}
	for _, v := range []any{begun, stage} {
		if text, err := json.Marshal(v); err != nil || strings.Count(string(text), canary) < 2 {
			t.Errorf("%s does not carry what it is for: %v", text, err)
		}
	}
}

func TestHandlerServesWhatItCanRead(t *testing.T) {
	trouble := api.Refuse(api.NotFound, "no such user")
	serve := api.Handler(func(_ context.Context, tenant string, in api.List) (api.Listed, error) {
		if in.User != "u" {
			return api.Listed{}, trouble
		}
		return api.Listed{Links: []api.LinkView{{Address: events.Address{Tenant: tenant, Provider: "op", Link: "L1"}, Status: "active"}}}, nil
	})
	out, err := serve(t.Context(), "t1", []byte(`{"user":"u"}`))
	if want := `{"links":[{"tenant":"t1","provider":"op","link":"L1","status":"active","generation":0,"consent":0,"held":false}]}`; err != nil || string(out) != want {
		t.Errorf("got %s, %v", out, err)
	}
	if _, err := serve(t.Context(), "t1", []byte(`{"user":"v"}`)); !errors.Is(err, trouble) {
		t.Errorf("got %v", err)
	}
	_, err = serve(t.Context(), "t1", []byte(`{"usr":"u"}`))
	refused(t, "misspelt", err, "usr")
}

func TestListsAreSorted(t *testing.T) {
	view := func(provider, link string) api.LinkView {
		return api.LinkView{Address: events.Address{Tenant: "t", Provider: provider, Link: link}}
	}
	l := api.Listed{Links: []api.LinkView{view("op", "B"), view("bank", "C"), view("op", "A"), view("bank", "A")}}
	l.Sort()
	var got []string
	for _, v := range l.Links {
		got = append(got, v.Provider+"/"+v.Link)
	}
	if want := "bank/A bank/C op/A op/B"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
