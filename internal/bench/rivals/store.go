package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
)

// grant is what Redis keeps of a link.
type grant struct {
	Generation uint64 `json:"generation"`
	Access     string `json:"access"`
	Refresh    string `json:"refresh"`
}

// store keeps grants in Redis, and the locks on them.
type store struct {
	redis  *redis.Client
	locks  *redislock.Client
	prefix string
}

func openStore(ctx context.Context, o options) (*store, error) {
	dial, err := redis.ParseURL(o.redisURL)
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(dial)
	s := &store{client, redislock.New(client), o.prefix}
	return s, s.prepare(ctx, o)
}

// prepare puts links into Redis that are not there yet.
func (s *store) prepare(ctx context.Context, o options) error {
	pipe := s.redis.Pipeline()
	for i := range o.links {
		link := fmt.Sprintf("L%07d", i)
		token := fmt.Sprintf("%s.%s-%s.1", o.prefix, o.provider, link)
		text, err := json.Marshal(grant{1, "a." + token, "r." + token})
		if err != nil {
			return err
		}
		pipe.SetNX(ctx, s.key(o.provider, link), text, 0)
		if pipe.Len() == 1000 {
			if _, err := pipe.Exec(ctx); err != nil {
				return err
			}
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}

func (s *store) key(provider, link string) string {
	return s.prefix + ":grant:" + provider + ":" + link
}

// lockTTL is Regrant's in production.
const lockTTL = 10 * time.Second

func (s *store) lock(ctx context.Context, provider, link string) (*redislock.Lock, error) {
	wait := redislock.LimitRetry(redislock.LinearBackoff(20*time.Millisecond), 500)
	return s.locks.Obtain(ctx, s.prefix+":lock:"+provider+":"+link, lockTTL, &redislock.Options{RetryStrategy: wait})
}

func (s *store) get(ctx context.Context, provider, link string) (g grant, err error) {
	text, err := s.redis.Get(ctx, s.key(provider, link)).Bytes()
	if err != nil {
		return g, err
	}
	return g, json.Unmarshal(text, &g)
}

func (s *store) set(ctx context.Context, provider, link string, g grant) error {
	text, err := json.Marshal(g)
	if err != nil {
		return err
	}
	return s.redis.Set(ctx, s.key(provider, link), text, 0).Err()
}
