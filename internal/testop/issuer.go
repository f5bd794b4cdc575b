package testop

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// discovery is the library's document, and that we answer as RFC 9207 says.
func (o *OP) discovery(w http.ResponseWriter, r *http.Request) {
	ctx := op.ContextWithIssuer(r.Context(), o.issuer)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		*oidc.DiscoveryConfiguration
		Iss bool `json:"authorization_response_iss_parameter_supported"`
	}{op.CreateDiscoveryConfig(ctx, o.provider, o.store), true})
}

// stampIssuer adds iss to every redirect that leaves the provider: those are the
// authorization responses, good and bad (RFC 9207, section 2).
func (o *OP) stampIssuer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&stamp{ResponseWriter: w, issuer: o.issuer}, r)
	})
}

type stamp struct {
	http.ResponseWriter
	issuer string
}

func (s *stamp) WriteHeader(status int) {
	if to, err := url.Parse(s.Header().Get("Location")); err == nil && leaves(to, s.issuer) {
		q := to.Query()
		q.Set("iss", s.issuer)
		to.RawQuery = q.Encode()
		s.Header().Set("Location", to.String())
	}
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (s *stamp) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func leaves(to *url.URL, issuer string) bool {
	return to.IsAbs() && !strings.HasPrefix(to.String(), issuer+"/")
}
