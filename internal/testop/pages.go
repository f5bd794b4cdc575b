package testop

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// pages are plain forms: each posts to its own address, which names the request.
var pages = template.Must(template.New("").Parse(`
{{define "login"}}<!doctype html><title>Log in</title><form method="post">
<label>Login <input name="sub" value="{{.}}"></label> <button>Log in</button></form>{{end}}
{{define "consent"}}<!doctype html><title>Consent</title><form method="post"><p>{{.Client}} asks {{.Sub}} for:</p>
{{range .Scopes}}<label><input type="checkbox" name="scope" value="{{.}}" checked> {{.}}</label><br>{{end}}
<label><input type="checkbox" name="all_accounts" value="yes" checked> all accounts</label><br>
{{range .Accounts}}<label><input type="checkbox" name="account" value="{{.}}"> {{.}}</label><br>{{end}}
<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></form>{{end}}`))

func show(w http.ResponseWriter, page string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = pages.ExecuteTemplate(w, page, data) // a browser that left
}

func (o *OP) loginPage(w http.ResponseWriter, r *http.Request) {
	if req, ok := o.pageRequest(w, r); ok {
		show(w, "login", req.asked.LoginHint)
	}
}

func (o *OP) login(w http.ResponseWriter, r *http.Request) {
	req, ok := o.pageRequest(w, r)
	if !ok {
		return
	}
	sub := r.PostFormValue("sub")
	if _, known := o.store.user(sub); !known {
		http.Error(w, "no such user", http.StatusForbidden)
		return
	}
	o.settle(w, r, req, "/consent", func(req *authRequest) { req.gave.sub = sub })
}

func (o *OP) consentPage(w http.ResponseWriter, r *http.Request) {
	req, ok := o.loggedIn(w, r)
	if !ok {
		return
	}
	u, _ := o.store.user(req.gave.sub)
	show(w, "consent", map[string]any{
		"Client": req.asked.ClientID, "Sub": u.Sub, "Scopes": []string(req.asked.Scopes), "Accounts": u.Accounts,
	})
}

func (o *OP) consent(w http.ResponseWriter, r *http.Request) {
	req, ok := o.loggedIn(w, r)
	if !ok {
		return
	}
	if r.PostFormValue("decision") != "allow" {
		_ = o.store.DeleteAuthRequest(r.Context(), req.id) // it never fails
		op.AuthRequestError(w, r, req, oidc.ErrAccessDenied(), o.provider)
		return
	}
	u, _ := o.store.user(req.gave.sub)
	gave := agreement{client: req.asked.ClientID, sub: u.Sub, at: o.store.now()}
	gave.scopes = ticked(req.asked.Scopes, r.PostForm["scope"])
	if !r.PostForm.Has("all_accounts") {
		gave.accounts = ticked(u.Accounts, r.PostForm["account"])
	}
	o.settle(w, r, req, o.provider.AuthorizationEndpoint().Relative()+"/callback", func(req *authRequest) {
		req.gave, req.done = gave, true
	})
}

// ticked is never nil: nobody's accounts differ from everybody's.
func ticked(offered, chosen []string) []string {
	kept := []string{}
	for _, x := range offered {
		if slices.Contains(chosen, x) {
			kept = append(kept, x)
		}
	}
	return kept
}

// settle writes what a page decided and sends the browser on to the next.
func (o *OP) settle(w http.ResponseWriter, r *http.Request, req authRequest, next string, do func(*authRequest)) {
	if err := o.store.change(req.id, do); err != nil {
		http.Error(w, "this request is over", http.StatusGone)
		return
	}
	http.Redirect(w, r, next+"?id="+url.QueryEscape(req.id), http.StatusSeeOther)
}

func (o *OP) pageRequest(w http.ResponseWriter, r *http.Request) (authRequest, bool) {
	req, err := o.store.request(r.URL.Query().Get("id"))
	if err != nil {
		http.Error(w, "no such request", http.StatusNotFound)
	}
	return req, err == nil
}

func (o *OP) loggedIn(w http.ResponseWriter, r *http.Request) (authRequest, bool) {
	req, ok := o.pageRequest(w, r)
	if ok && req.gave.sub == "" {
		http.Error(w, "log in first", http.StatusForbidden)
		return req, false
	}
	return req, ok
}
