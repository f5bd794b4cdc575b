package testop

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Counts says how often each credential was presented, by its value, whatever
// the answer was.
type Counts struct {
	Codes         map[string]int // at the token endpoint
	RefreshTokens map[string]int // likewise
	Revoked       map[string]int // at the revocation endpoint
}

// witness stands between the network and the library: it counts a request
// before anybody judges it, and keeps what was handed out.
type witness struct {
	mu     sync.Mutex
	seen   Counts
	issued []string
}

func newWitness() *witness {
	return &witness{seen: Counts{map[string]int{}, map[string]int{}, map[string]int{}}}
}

func (w *witness) counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Counts{maps.Clone(w.seen.Codes), maps.Clone(w.seen.RefreshTokens), maps.Clone(w.seen.Revoked)}
}

func (w *witness) issuedTokens() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.issued)
}

func (w *witness) token(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.count(w.seen.Codes, r.PostFormValue("code"))
		w.count(w.seen.RefreshTokens, r.PostFormValue("refresh_token"))
		reply := &tee{ResponseWriter: rw}
		next.ServeHTTP(reply, r)
		w.keep(reply.body.Bytes())
	})
}

func (w *witness) revocation(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.count(w.seen.Revoked, r.PostFormValue("token"))
		next.ServeHTTP(rw, r)
	})
}

func (w *witness) count(in map[string]int, credential string) {
	if credential == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	in[credential]++
}

// keep notes the tokens of a reply. A refusal has none.
func (w *witness) keep(reply []byte) {
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		ID      string `json:"id_token"`
	}
	if json.Unmarshal(reply, &tokens) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range []string{tokens.Access, tokens.Refresh, tokens.ID} {
		if t != "" {
			w.issued = append(w.issued, t)
		}
	}
}

// tee remembers what goes through it.
type tee struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (t *tee) Write(p []byte) (int, error) {
	t.body.Write(p)
	return t.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }
