package providers

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
)

// reply is our own copy of the token endpoint's answer. Everything is judged from
// it; what x/oauth2 makes of the same bytes is not looked at, because its errors
// print bodies and its tokens hide what the provider left out.
type reply struct {
	status   int
	header   http.Header
	body     []byte
	complete bool // read to an end that the protocol marks, within maxBody
	// closed: the end was marked by closing the connection alone, so a cut body
	// cannot be told from a whole one unless its format tells.
	closed bool
}

func (r *reply) success() bool { return r.status >= 200 && r.status <= 299 }

// form says whether the body is a query string (x/oauth2 reads text/plain so).
func (r *reply) form() bool {
	kind, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	plain := kind == "text/plain" && !bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("{"))
	return plain || kind == "application/x-www-form-urlencoded"
}

// exchange is the RoundTripper of one attempt: it sends one request, once, and
// keeps the reply.
type exchange struct {
	base    http.RoundTripper
	attempt *attempt
	// asserter signs for the client; nil where it authenticates otherwise.
	asserter *asserter
	seen     *reply
}

func (e *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := e.attempt.once(&e.attempt.asked); err != nil {
		return nil, err
	}
	req = req.Clone(httptrace.WithClientTrace(req.Context(), e.attempt.trace()))
	// Both of these tell net/http that it may send the request again.
	req.GetBody = nil
	req.Header.Del("Idempotency-Key")
	req.Header.Del("X-Idempotency-Key")
	if e.asserter != nil {
		if err := e.asserter.sign(req); err != nil {
			return nil, err
		}
	}
	res, err := e.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := readCapped(res.Body)
	e.seen = &reply{
		status: res.StatusCode, header: res.Header, body: body, complete: err == nil,
		closed: res.ContentLength < 0 && len(res.TransferEncoding) == 0,
	}
	if err == nil {
		e.attempt.reached(ReachRead)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

func readCapped(body io.ReadCloser) ([]byte, error) {
	defer func() { _ = body.Close() }()
	all, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err == nil && len(all) > maxBody {
		return all[:maxBody], http.ErrContentLength
	}
	return all, err
}
