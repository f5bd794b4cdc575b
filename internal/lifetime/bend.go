package lifetime

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
)

// bender stands between workers and simulator, and has answers say what no
// simulated provider would.
type bender struct {
	server *http.Server
	to     *http.Transport
	served chan struct{}
}

// bend serves one wire with what answers on the other.
func bend(from, to *wire, change func(map[string]any)) *bender {
	b := &bender{to: &http.Transport{DialContext: to.dial}, served: make(chan struct{})}
	b.server = &http.Server{Handler: &httputil.ReverseProxy{
		Transport: b.to,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: r.In.Host})
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(res *http.Response) error {
			if !strings.HasSuffix(res.Request.URL.Path, "/token") || res.StatusCode != http.StatusOK {
				return nil
			}
			return bent(res, change)
		},
	}}
	go func() {
		defer close(b.served)
		_ = b.server.Serve(from) // ends with close
	}()
	return b
}

func bent(res *http.Response, change func(map[string]any)) error {
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	fields := map[string]any{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return err
	}
	change(fields)
	if body, err = json.Marshal(fields); err != nil {
		return err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.ContentLength = int64(len(body))
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

func (b *bender) close() {
	_ = b.server.Close()
	<-b.served
	b.to.CloseIdleConnections()
}
