package provider

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func present(t *testing.T, h http.Handler, delay time.Duration, token string) *httptest.ResponseRecorder {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	req := httptest.NewRequest(http.MethodPost, At("").TokenURL(delay), strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func TestATokenIsGoodOnceAndCountedAlways(t *testing.T) {
	h := routes(newLedger())
	first := Token{Cell: "c", Link: "L1", Generation: 1}
	if w := present(t, h, 0, first.Refresh()); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), first.next().Refresh()) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := present(t, h, 0, first.Refresh()); w.Code != http.StatusBadRequest {
		t.Fatalf("presented again: %d", w.Code)
	}
	present(t, h, 0, Token{Cell: "other", Link: "L1", Generation: 1}.Refresh())
	present(t, h, 0, first.next().Refresh())
	present(t, h, 0, "a."+first.text())
	server := httptest.NewServer(h)
	defer server.Close()
	for _, want := range []Counts{{Tokens: 2, Presentations: 3, Most: 2}, {}} {
		if got, err := At(server.URL).Take(t.Context(), "c"); err != nil || got != want {
			t.Fatalf("counted %+v %v, want %+v", got, err, want)
		}
	}
}

func TestThePathSaysHowLongTheAnswerTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		present(t, routes(newLedger()), 100*time.Millisecond, Token{Cell: "c", Link: "L", Generation: 1}.Refresh())
		if took := time.Since(begin); took != 100*time.Millisecond {
			t.Fatalf("took %s", took)
		}
	})
}
