package providertest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
)

// Browser is one user's browser. It keeps the sessions that providers begin in it
// and talks plain HTTP, so it works from other processes than the server's too.
// Safe for concurrent use.
//
// Anything else that can send a cookie may stand in for it: the cookie "login" at
// the authorize URL names the sub, escaped as in a query; so does login_hint.
type Browser struct{ http *http.Client }

// NewBrowser makes a browser without any session.
func NewBrowser() *Browser {
	jar, _ := cookiejar.New(nil) // it has no error to give
	return &Browser{http: &http.Client{
		Jar:           jar,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Callback is what the provider sends to the redirect_uri through the browser.
type Callback struct {
	// URL is all of it, the address that the callback service is asked for.
	URL              *url.URL
	Code, State, Iss string
	// Error and Description are set instead of Code where the provider or the user
	// refused.
	Error, Description string
}

// Consent opens the authorize URL as sub, who logs in and decides as the options
// say, and returns where the browser was sent; it does not go there. A live
// session of this browser goes before sub and options, unless the URL asks for a
// prompt. Without sub it is the session, the URL's login_hint or [Server.Login]
// that says who it is.
//
// A refusal that was redirected is no error; a page that keeps the user is, as
// when a client or a redirect_uri is unknown or nobody logs in.
func (b *Browser) Consent(ctx context.Context, authorizeURL, sub string, options ...ConsentOption) (Callback, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizeURL, nil)
	if err != nil {
		return Callback{}, fmt.Errorf("consent: %w", err)
	}
	if sub != "" || len(options) > 0 {
		cookie, err := newVisit(sub, options).cookie()
		if err != nil {
			return Callback{}, fmt.Errorf("consent: %w", err)
		}
		req.AddCookie(cookie)
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return Callback{}, fmt.Errorf("consent: %w", err)
	}
	_ = resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		return Callback{}, fmt.Errorf("consent: the provider answered %s and no redirect; open the URL in a browser to read why", resp.Status)
	}
	return newCallback(to), nil
}

func newCallback(to *url.URL) Callback {
	query := to.Query()
	return Callback{
		URL: to, Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss"),
		Error: query.Get("error"), Description: query.Get("error_description"),
	}
}

// Consent is [Browser.Consent] in a browser of its own, without any session. It
// ends with the server at the latest.
func (s *Server) Consent(authorizeURL, sub string, options ...ConsentOption) (Callback, error) {
	return NewBrowser().Consent(context.Background(), authorizeURL, sub, options...)
}
