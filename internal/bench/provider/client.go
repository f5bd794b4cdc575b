package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// At is the base URL of a running provider.
type At string

// TokenURL is the endpoint that answers after delay.
func (a At) TokenURL(delay time.Duration) string { return fmt.Sprintf("%s/%s/token", a, delay) }

// Take returns the counts of a cell, which the provider then forgets.
func (a At) Take(ctx context.Context, cell string) (c Counts, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, string(a)+"/cells/"+cell, nil)
	if err != nil {
		return c, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, fmt.Errorf("ask the provider for its counts: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	return c, json.NewDecoder(res.Body).Decode(&c)
}
