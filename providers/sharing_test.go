package providers

import (
	"strings"
	"testing"
	"time"
)

func aggregator() Profile {
	return Profile{
		Issuer: "https://hub.example", TokenURL: "https://hub.example/token", ClientID: "client", ClientSecretFile: "hub.secret",
		AuthStyle: AuthPost, CodeAuthStyle: AuthBasic, Rate: Rate{Limit: 10, Window: time.Second}, RefreshIdle: 24 * time.Hour,
	}
}

func TestABankBehindAnAggregatorSharesItsAppAndNothingElse(t *testing.T) {
	bank := Profile{App: "hub", RefreshIdle: time.Hour, AuthorizeURL: "https://hub.example/authorize?connector=bank"}
	all, err := Share(map[string]Profile{"hub": aggregator(), "bank": bank})
	if err != nil {
		t.Fatal(err)
	}
	p := all["bank"]
	if p.TokenURL != "https://hub.example/token" || p.ClientID != "client" || p.ClientSecretFile != "hub.secret" || p.AuthStyle != AuthPost || p.Rate.Limit != 10 {
		t.Errorf("its registration is %+v", p)
	}
	if p.RefreshIdle != time.Hour || p.AuthorizeURL != bank.AuthorizeURL {
		t.Errorf("its own are %s, %s", p.RefreshIdle, p.AuthorizeURL)
	}
	if err := p.Validate("bank"); err != nil {
		t.Error(err)
	}
	if p.AppOf("bank") != "hub" || all["hub"].AppOf("hub") != "hub" {
		t.Errorf("the apps are %q and %q", p.AppOf("bank"), all["hub"].AppOf("hub"))
	}
	if all["hub"].RefreshIdle != 24*time.Hour {
		t.Error("the aggregator has changed")
	}
}

func TestAppsThatCannotBeShared(t *testing.T) {
	for want, bank := range map[string]Profile{
		"providers.bank.app: there is no provider": {App: "nobody"},
		"providers.bank.app: \"middle\" shares":    {App: "middle"},
		"providers.bank.client_id: is another":     {App: "hub", ClientID: "mine"},
		"providers.bank.rate: is that of the app":  {App: "hub", Rate: Rate{Limit: 1, Window: time.Second}},
	} {
		_, err := Share(map[string]Profile{"hub": aggregator(), "middle": {App: "hub"}, "bank": bank})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}
