package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/internal/embedded"
)

// Proof says where NATS's own settings can be read, which an application's account
// cannot see. Left empty, durability stays unknown, unless NATS is our own.
type Proof struct {
	// Embedded says that NATS is this process's own and flushes every write.
	Embedded bool
	// Monitor are monitoring addresses, one for each server: http://host:8222.
	Monitor []string
	// SysURL and SysCreds lead to the system account. An empty URL is the cell's own.
	SysURL, SysCreds string
}

// syncFacts are when NATS's servers flush what they confirm.
type syncFacts struct {
	// Ours: the server is the one that a worker embeds.
	Ours bool
	// Asked says that there was a way to ask the servers.
	Asked   bool
	Servers []serverFacts
	// Err is why not all could be asked.
	Err error
	// Expected are the servers that hold the cell's streams, by name.
	Expected []string
}

// serverFacts are what a server says of itself.
type serverFacts struct {
	Name, Version string
	JetStream     bool
	SyncAlways    bool
	SyncInterval  time.Duration
}

// varz is what we read of a server's monitoring (nats-server, server.Varz).
type varz struct {
	Name      string `json:"server_name"`
	Version   string `json:"version"`
	JetStream struct {
		Config *struct {
			SyncInterval time.Duration `json:"sync_interval"`
			SyncAlways   bool          `json:"sync_always"`
		} `json:"config"`
	} `json:"jetstream"`
}

func (v varz) facts() serverFacts {
	f := serverFacts{Name: v.Name, Version: v.Version}
	if c := v.JetStream.Config; c != nil {
		f.JetStream, f.SyncAlways, f.SyncInterval = true, c.SyncAlways, c.SyncInterval
	}
	return f
}

func lookSync(ctx context.Context, o Options, n natsFacts) syncFacts {
	f := syncFacts{
		Ours:     o.Proof.Embedded || o.Config.NATS.URL == "" && n.Server == embedded.DurableName,
		Asked:    len(o.Proof.Monitor) > 0 || o.Proof.SysURL != "" || o.Proof.SysCreds != "",
		Expected: holders(n),
	}
	if f.Ours || !f.Asked {
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, defaultPatience)
	defer cancel()
	for _, at := range o.Proof.Monitor {
		v, err := monitored(ctx, at)
		if err != nil {
			f.Err = errors.Join(f.Err, err)
			continue
		}
		f.Servers = append(f.Servers, v.facts())
	}
	if o.Proof.SysURL != "" || o.Proof.SysCreds != "" {
		servers, err := pinged(ctx, o, f.Expected)
		f.Servers, f.Err = append(f.Servers, servers...), errors.Join(f.Err, err)
	}
	return f
}

// holders are the servers that hold copies of the cell's streams; before there are
// any, the one that answers.
func holders(n natsFacts) []string {
	var names []string
	for _, s := range n.Streams {
		if s.Have == nil || s.Have.Cluster == nil {
			continue
		}
		names = append(names, s.Have.Cluster.Leader)
		for _, peer := range s.Have.Cluster.Replicas {
			names = append(names, peer.Name)
		}
	}
	if len(names) == 0 {
		names = []string{n.Server}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// monitored reads one server's monitoring port.
func monitored(ctx context.Context, at string) (v varz, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(at, "/")+"/varz", nil)
	if err != nil {
		return v, errors.New("a monitoring URL cannot be read: write http://HOST:8222")
	}
	host := request.URL.Host
	response, err := http.DefaultClient.Do(request)
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err // without the URL, which may hold a password
	}
	if err != nil {
		return v, fmt.Errorf("monitoring of %s: %w", host, err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&v); err != nil || v.Name == "" {
		return v, fmt.Errorf("monitoring of %s: status %d, and not what a nats-server's /varz says", host, response.StatusCode)
	}
	return v, nil
}

// quiet is how long to wait for one more server to answer the system account.
const quiet = time.Second

// pinged asks all servers, over the system account, until those expected have answered.
func pinged(ctx context.Context, o Options, expected []string) (found []serverFacts, err error) {
	at := o.Proof.SysURL
	if at == "" {
		at = o.url()
	}
	options := []nats.Option{nats.Name("regrant doctor"), nats.Timeout(defaultPatience)}
	if o.Proof.SysCreds != "" {
		options = append(options, nats.UserCredentials(o.Proof.SysCreds))
	}
	conn, err := nats.Connect(at, options...)
	if err != nil {
		return nil, fmt.Errorf("system account: %w", withoutURL(err))
	}
	defer conn.Close()
	replies, err := conn.SubscribeSync(conn.NewInbox())
	if err != nil {
		return nil, fmt.Errorf("system account: %w", err)
	}
	if err := conn.PublishRequest("$SYS.REQ.SERVER.PING.VARZ", replies.Subject, nil); err != nil {
		return nil, fmt.Errorf("system account: %w", err)
	}
	for !seen(found, expected) {
		wait, cancel := context.WithTimeout(ctx, quiet)
		m, err := replies.NextMsgWithContext(wait)
		cancel()
		if err != nil && len(found) == 0 {
			return nil, errors.New("no server answered: these are not credentials of the system account")
		}
		if err != nil {
			break
		}
		var answer struct{ Data varz }
		if json.Unmarshal(m.Data, &answer) == nil && answer.Data.Name != "" {
			found = append(found, answer.Data.facts())
		}
	}
	return found, nil
}

func seen(found []serverFacts, expected []string) bool {
	for _, name := range expected {
		if !slices.ContainsFunc(found, func(s serverFacts) bool { return s.Name == name }) {
			return false
		}
	}
	return true
}

// withoutURL takes the URL, which may hold a password, out of an error.
func withoutURL(err error) error {
	var bad *url.Error
	if errors.As(err, &bad) {
		return errors.New("the URL cannot be read")
	}
	return err
}
