package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/torture/lockonly/bare"
	"github.com/regrant/regrant/providers"
)

// app is a registration at one provider.
type app struct {
	oauth2.Config
	client   *http.Client
	bearerID bool
}

func newApps(cfg config.Config) (map[string]app, error) {
	apps := map[string]app{}
	for name, p := range cfg.Providers {
		text, err := os.ReadFile(p.ClientSecretFile)
		if err != nil {
			return nil, fmt.Errorf("client secret of %s: %w", name, err)
		}
		style := oauth2.AuthStyleInHeader // never AutoDetect, which presents twice
		if p.AuthStyle == "post" {
			style = oauth2.AuthStyleInParams
		}
		apps[name] = app{
			bearerID: p.Bearer == providers.BearerID,
			client:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency}},
			Config: oauth2.Config{
				ClientID: p.ClientID, ClientSecret: strings.TrimSpace(string(text)),
				Endpoint: oauth2.Endpoint{TokenURL: p.TokenURL, AuthStyle: style},
			},
		}
	}
	return apps, nil
}

// refresh presents the record's refresh token and returns the next record. Where the
// provider calls the grant dead, that is the next record; any other failure is one
// to try again after, which is what everybody does.
func (a app) refresh(ctx context.Context, was bare.Record, within time.Duration) (bare.Record, error) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, a.client), within)
	defer cancel()
	token, err := a.TokenSource(ctx, &oauth2.Token{RefreshToken: was.Refresh}).Token()
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		was.Dead = true
		return was, nil
	}
	if err != nil {
		return was, errors.New("the provider gave no token") // the library's error may quote what it read
	}
	is := bare.Record{Generation: was.Generation + 1, Refresh: token.RefreshToken, Bearer: token.AccessToken}
	if a.bearerID {
		is.Bearer, _ = token.Extra("id_token").(string)
	}
	return is, nil
}
