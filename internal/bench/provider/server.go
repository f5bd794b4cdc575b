package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// TTL is how long a bearer lives: longer than any run.
const TTL = time.Hour

// ready is what Serve prints before the URL.
const ready = "provider at "

// Ready is what tells that a provider process can be used.
const Ready = ready

// Serve answers on a free port of the loopback interface until ctx ends, and
// prints its URL to out.
func Serve(ctx context.Context, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes(newLedger()), ReadHeaderTimeout: time.Minute}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	fmt.Fprintf(out, "%shttp://%s\n", ready, listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func routes(l *ledger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{delay}/token", func(w http.ResponseWriter, r *http.Request) { token(w, r, l) })
	mux.HandleFunc("DELETE /cells/{cell}", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(l.take(r.PathValue("cell"))) // the peer may have gone
	})
	return mux
}

// token counts before it waits: a presentation is one from the moment it arrives.
func token(w http.ResponseWriter, r *http.Request, l *ledger) {
	w.Header().Set("Content-Type", "application/json")
	t, ok := parse(r.PostFormValue("refresh_token"))
	if first := ok && l.present(t); !first {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	if delay, err := time.ParseDuration(r.PathValue("delay")); err == nil && delay > 0 {
		wait(r.Context(), delay)
	}
	n := t.next()
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d,"refresh_token":%q}`, n.Access(), int(TTL/time.Second), n.Refresh())
}

func wait(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
