package locks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/regrant/regrant/budget"
)

// Dial returns a client for a Redis URL as go-redis reads it. It connects on
// first use only, so an error is one of the URL, and never shows its password.
//
//	redis://user:password@host:6379/0       one server; rediss:// for TLS
//	unix://user:password@/path/redis.sock?db=0
//	redis://host1:6379,host2:6379           a cluster; also ?addr=host2:6379, and
//	redis://host:6379?cluster=true          one seed of a cluster
//	redis://s1:26379,s2:26379/0?master_name=m&username=u&password=p
//	                                        Sentinel; its own login before the host
//
// All other parameters are go-redis's (read_timeout, pool_size, skip_verify, …).
// Left out, time-outs follow b, and nothing is sent twice: the caller knows
// better than the client whether a call may be repeated. To a cluster a call whose
// reply was lost is sent again within its time-out: go-redis cannot follow moved
// slots without. Scripts must bear that.
func Dial(rawURL string, b budget.Budget) (redis.UniversalClient, error) {
	plain, err := spreadHosts(rawURL)
	if err == nil {
		var client redis.UniversalClient
		if client, err = dial(plain, b); err == nil {
			return client, nil
		}
	}
	return nil, fmt.Errorf("redis URL: %w", withoutSecrets(rawURL, err))
}

func dial(u *url.URL, b budget.Budget) (redis.UniversalClient, error) {
	query := u.Query()
	cluster := query.Get("cluster") == "true" || query.Has("addr")
	query.Del("cluster")
	u.RawQuery = query.Encode()
	switch {
	case u.Scheme == "unix":
		return dialOne(u, b)
	case query.Has("master_name"):
		return dialFailover(u, b)
	case cluster:
		return dialCluster(u, b)
	default:
		return dialOne(u, b)
	}
}

func dialOne(u *url.URL, b budget.Budget) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DisableIdentity = true, true
	o.MaintNotificationsConfig = noMaintenance()
	o.MaxRetries, o.DialerRetries = cmp.Or(o.MaxRetries, -1), cmp.Or(o.DialerRetries, 1)
	short(b, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
	return redis.NewClient(o), nil
}

func dialCluster(u *url.URL, b budget.Budget) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DisableIdentity = true, true
	o.MaintNotificationsConfig = noMaintenance()
	o.MaxRetries, o.DialerRetries = cmp.Or(o.MaxRetries, -1), cmp.Or(o.DialerRetries, 1)
	short(b, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
	// A primary that is gone cannot say who has its slots now, and go-redis would go
	// on asking it for a minute. It asks the others when it is used, at most so often.
	short(b, &o.ClusterStateReloadInterval)
	return redis.NewClusterClient(o), nil
}

func dialFailover(u *url.URL, b budget.Budget) (redis.UniversalClient, error) {
	o, err := redis.ParseFailoverURL(u.String())
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.DisableIdentity = true, true
	o.MaxRetries, o.DialerRetries = cmp.Or(o.MaxRetries, -1), cmp.Or(o.DialerRetries, 1)
	short(b, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout)
	return redis.NewFailoverClient(o), nil
}

// RouteClientLog sends what go-redis itself logs, to standard error if left
// alone and for every connection that fails, to log at debug level: the Locker
// reports what matters. It works for all clients of the process: commands call
// it once, before they dial.
func RouteClientLog(log *slog.Logger) { redis.SetLogger(clientLog{log}) }

type clientLog struct{ log *slog.Logger }

func (l clientLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, "redis client", "said", fmt.Sprintf(format, v...))
}

// short fills in what the URL left out. go-redis would wait 5 s for a read and,
// with its repeats, half a minute for a server that is gone.
func short(b budget.Budget, timeouts ...*time.Duration) {
	for _, t := range timeouts {
		*t = cmp.Or(*t, callTimeout(b))
	}
}

// noMaintenance keeps the client from asking every new connection for a feature
// of one vendor's clusters, which costs a round trip and, under an ACL, a grant.
func noMaintenance() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// spreadHosts parses a URL and moves all hosts but the first into addr
// parameters, where go-redis wants them.
func spreadHosts(rawURL string) (*url.URL, error) {
	scheme, rest, _ := strings.Cut(rawURL, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	login := strings.LastIndexByte(rest[:end], '@') + 1
	hosts := strings.Split(rest[login:end], ",")
	u, err := url.Parse(scheme + "://" + rest[:login] + hosts[0] + rest[end:])
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(u.RawQuery) // u.Query would drop what it cannot read
	if err != nil {
		return nil, err
	}
	for _, host := range hosts[1:] {
		query.Add("addr", host)
	}
	u.RawQuery = query.Encode()
	return u, nil
}

// errHidden stands for errors that might quote a password.
var errHidden = errors.New("cannot be read, and is not shown because it holds a password: write redis://user:password@host:port/db, percent-encode special characters in user and password, and use only parameters that go-redis knows")

// withoutSecrets returns err where it cannot quote a password. url.Parse quotes
// the whole URL, and a password with a bare "/" or "#" in it turns up as port,
// path or database number in the errors of go-redis.
func withoutSecrets(rawURL string, err error) error {
	if strings.Contains(rawURL, "@") || strings.Contains(rawURL, "password=") {
		return errHidden
	}
	return err
}
