package testop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

type account struct {
	ID string `json:"accountId"`
}

type accountsReply struct {
	Accounts []account `json:"accounts"`
	Links    *links    `json:"links,omitempty"`
}

type links struct {
	Next struct {
		Href string `json:"href"`
	} `json:"next"`
}

// accounts lists what the token's grant is over, whatever its scopes.
func (o *OP) accounts(w http.ResponseWriter, r *http.Request) {
	grant, ok := o.authorized(w, r)
	if !ok {
		return
	}
	ids := grant.accounts
	if ids == nil {
		u, _ := o.store.user(grant.sub)
		ids = u.Accounts
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("from"))
	reply := accountsReply{Accounts: []account{}}
	here, next := page(ids, from, o.cfg.AccountsPage)
	for _, id := range here {
		reply.Accounts = append(reply.Accounts, account{id})
	}
	if next > 0 {
		reply.Links = new(links)
		reply.Links.Next.Href = fmt.Sprintf("%s/accounts?from=%d", o.issuer, next)
		w.Header().Set("Link", "<"+reply.Links.Next.Href+`>; rel="next"`)
	}
	writeJSON(w, reply)
}

// page cuts one page out of ids; next is where the following one begins, or 0.
func page(ids []string, from, size int) (here []string, next int) {
	from = min(max(from, 0), len(ids))
	if size <= 0 || from+size >= len(ids) {
		return ids[from:], 0
	}
	return ids[from : from+size], from + size
}

func (o *OP) customer(w http.ResponseWriter, r *http.Request) {
	if grant, ok := o.authorized(w, r); ok {
		u, _ := o.store.user(grant.sub)
		writeJSON(w, map[string]string{"customerId": u.Customer})
	}
}

// authorized is what the request's bearer stands for; without a live one it
// answers 401 (RFC 6750, section 3.1) and says false.
func (o *OP) authorized(w http.ResponseWriter, r *http.Request) (agreement, bool) {
	ctx := op.ContextWithIssuer(r.Context(), o.issuer)
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](ctx, token, o.provider.AccessTokenVerifier(ctx))
	if err == nil {
		var grant agreement
		if grant, err = o.store.bearer(claims.JWTID); err == nil {
			return grant, true
		}
	}
	w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	http.Error(w, "no live access token", http.StatusUnauthorized)
	return agreement{}, false
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that left
}
