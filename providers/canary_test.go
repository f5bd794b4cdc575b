package providers

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
)

// The server knows our refresh token and client secret, and answers with them
// wherever it can. Nothing of it may come out of an Outcome, however printed.
func TestNothingSecretComesBack(t *testing.T) {
	spill := canary + " " + secretCanary
	quoted, _ := json.Marshal(spill)
	answers := map[string]string{
		"body of a 500":  whole(500, "text/html", spill),
		"body of a 400":  whole(400, "text/html", spill),
		"body of a 200":  whole(200, "text/html", spill),
		"error":          whole(400, "application/json", `{"error":"`+canary+`"}`),
		"error, secret":  whole(400, "application/json", `{"error":"`+secretCanary+`"}`),
		"description":    whole(400, "application/json", `{"error":"invalid_grant","error_description":`+string(quoted)+`}`),
		"uri":            whole(401, "application/json", `{"error":"invalid_client","error_uri":`+string(quoted)+`}`),
		"redirect":       "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/?t=" + canary + "\r\nContent-Length: 0\r\n\r\n",
		"reason":         "HTTP/1.1 500 " + spill + "\r\nContent-Length: 0\r\n\r\n",
		"not HTTP":       spill + "\r\n\r\n",
		"status":         "HTTP/1.1 " + canary + "\r\n\r\n",
		"header":         "HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n",
		"length":         "HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n",
		"encoding":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
		"chunk":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n",
		"retry":          "HTTP/1.1 429 X\r\nRetry-After: " + canary + "\r\nContent-Length: 0\r\n\r\n",
		"success":        whole(200, "application/json", `{"access_token":"`+canary+`","refresh_token":"`+canary+`","id_token":"`+canary+`"}`),
		"ambiguous kept": whole(200, "application/json", `{"refresh_token":"`+canary+`"}`),
	}
	for name, text := range answers {
		t.Run(name, func(t *testing.T) {
			s := serveRaw(t, func(c net.Conn) { _, _ = io.WriteString(c, text) })
			log, lines := captured()
			out := refresh(t, open(t, profileAt(t, s.url()), Options{Log: log}))
			log.Info("m", "outcome", out, "answer", out.Answer, "err", out.Err)
			slog.New(slog.NewTextHandler(lines, nil)).Info("m", "outcome", out, "answer", out.Answer)
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				fmt.Fprintf(lines, verb+verb+verb, out, out.Answer, out.Err)
			}
			assertClean(t, lines.String())
			if s.posts.Load() != 1 {
				t.Errorf("%d requests", s.posts.Load())
			}
		})
	}
}

func assertClean(t *testing.T, text string) {
	t.Helper()
	for _, c := range []string{canary, secretCanary, base64.StdEncoding.EncodeToString([]byte("client-1:" + secretCanary))} {
		if strings.Contains(text, c) {
			t.Errorf("%q came out: %s", c, text)
		}
	}
	if text == "" {
		t.Error("nothing was printed: the test proves nothing")
	}
}

func TestQueryOfTheTokenURLIsNotPrinted(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	p := profileAt(t, s.URL)
	p.TokenURL += "?key=" + canary
	answered := refresh(t, open(t, p, Options{}))
	s.Close()
	unreachable := refresh(t, open(t, p, Options{}))
	assertClean(t, fmt.Sprint(answered.Err, unreachable.Err))
}
