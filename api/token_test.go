package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
)

func TestTokenRequestsAreReadAsSent(t *testing.T) {
	for body, want := range map[string]api.Token{
		`{}`:                              {},
		`{"min_generation":7}`:            {MinGeneration: 7},
		`{"min_generation":7,"wait":0.5}`: {MinGeneration: 7, Wait: 0.5},
		`{"wait":30}`:                     {Wait: 30},
	} {
		in, err := api.Decode[api.Token]([]byte(body))
		if err != nil || in != want {
			t.Errorf("%s: got %+v, %v", body, in, err)
		}
		if again, err := json.Marshal(in); err != nil || string(again) != body {
			t.Errorf("%s: written as %s, %v", body, again, err)
		}
	}
	if d := (api.Token{Wait: 1.25}).Patience(); d != 1250*time.Millisecond {
		t.Errorf("a wait of 1.25 is %v", d)
	}
}

func TestTokenRequestsAreReadStrictly(t *testing.T) {
	for body, field := range map[string]string{
		``:                                "body",
		`{"wait":-1}`:                     "wait",
		`{"wait":30.01}`:                  "wait",
		`{"wait":1e999}`:                  "wait",
		`{"wait":"1"}`:                    "wait",
		`{"min_generation":-1}`:           "min_generation",
		`{"min_generation":1.5}`:          "min_generation",
		`{"min_generation":1e20}`:         "min_generation",
		`{"link":"L2"}`:                   "link",
		`{"refresh_token":true}`:          "refresh_token",
		`{"min_generation":1,"wait":1}{}`: "body",
		`{"min_generation":1,"Min_Generation":2}`: "body",
	} {
		_, err := api.Decode[api.Token]([]byte(body))
		refused(t, body, err, field)
	}
}

func TestBearersDoNotPrint(t *testing.T) {
	b := api.Bearer{AccessToken: canary, TokenType: "Bearer", Generation: 2, Fingerprint: "f"}
	for _, v := range []any{b, &b, []any{b}} {
		if s := fmt.Sprintf("%v %+v %#v %s", v, v, v, v); strings.Contains(s, canary) {
			t.Error(s)
		}
	}
	if text, err := json.Marshal(b); err != nil || !strings.Contains(string(text), `"access_token":"`+canary+`"`) {
		t.Errorf("%s does not carry what it is for: %v", text, err)
	}
}

func TestLinkHandlerServesTheSubjectsLink(t *testing.T) {
	at := events.Address{Tenant: "t", Provider: "p", Link: "L1"}
	serve := api.LinkHandler(func(_ context.Context, a events.Address, in api.Token) (api.Bearer, error) {
		return api.Bearer{Fingerprint: a.String(), Generation: in.MinGeneration}, nil
	})
	out, err := serve(t.Context(), at, []byte(`{"min_generation":3}`))
	if err != nil || !strings.Contains(string(out), at.String()) || !strings.Contains(string(out), `"generation":3`) {
		t.Errorf("%s, %v", out, err)
	}
	_, err = serve(t.Context(), at, []byte(`{"link":"L2"}`))
	refused(t, "another link in the body", err, "link")
}
