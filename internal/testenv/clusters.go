package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/internal/process"
)

// Cluster is several servers that are one. Each keeps its port and directory when
// it is restarted.
type Cluster struct {
	Servers []*Process
	// URL names all of them to the clients of this project.
	URL string
}

const natsServers = 3

// NATSCluster starts three nats-server processes with JetStream, which flush every
// write before they confirm it, and returns when they have a leader. The servers
// call themselves n0, n1 and n2, as in Servers.
func NATSCluster(t testing.TB) *Cluster {
	t.Helper()
	path := Build(t, process.NATSServer)
	var err error
	for range portTries {
		c := &Cluster{}
		if err = c.startNATS(t, path); err == nil {
			return c
		}
		c.kill()
	}
	t.Fatalf("start a cluster of nats-servers: %v", err)
	return nil
}

func (c *Cluster) startNATS(t testing.TB, path string) error {
	var urls, clients, routes []string
	for range natsServers {
		clients, routes = append(clients, freePort(t)), append(routes, freePort(t))
	}
	for i := range natsServers {
		dir := t.TempDir()
		config := filepath.Join(dir, "nats.conf")
		if err := os.WriteFile(config, []byte(natsConfig(i, dir, clients[i], routes)), 0o600); err != nil {
			return err
		}
		p := newProcess(t, Command{Path: path, Args: []string{"-c", config}, Dir: dir, Ready: "Server is ready", Log: serverLog(t)})
		p.URL = "nats://127.0.0.1:" + clients[i]
		c.Servers, urls = append(c.Servers, p), append(urls, p.URL)
		if err := p.start(); err != nil {
			return err
		}
	}
	c.URL = strings.Join(urls, ",")
	return c.awaitJetStream(t.Context())
}

func natsConfig(i int, dir, client string, routes []string) string {
	var others []string
	for _, port := range routes {
		others = append(others, "nats://127.0.0.1:"+port)
	}
	return fmt.Sprintf(`
server_name: n%d
listen: "127.0.0.1:%s"
jetstream { store_dir: %q, sync_interval: always }
cluster { name: regrant, listen: "127.0.0.1:%s", routes: [%s] }
`, i, client, dir, routes[i], strings.Join(others, ", "))
}

// awaitJetStream waits until the servers have chosen who answers for all of them.
func (c *Cluster) awaitJetStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	nc, err := nats.Connect(c.URL)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return until(ctx, func(ctx context.Context) error {
		// Without a leader nobody answers, not even that there is none.
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := js.AccountInfo(ctx)
		return err
	})
}

func (c *Cluster) kill() {
	for _, p := range c.Servers {
		p.Kill()
	}
}

const (
	redisPrimaries = 3
	redisServers   = 2 * redisPrimaries
	redisSlots     = 16384
	// RedisNodeTimeout is after how long without a sign of life the other servers of
	// a RedisCluster give one up. Redis's own default is 15 s.
	RedisNodeTimeout = 2 * time.Second
)

// RedisCluster starts six redis-servers, of which the first three have a third of the
// slots each, and the others are their replicas. They append to a file and evict
// nothing. Without redis-server the test is skipped, or fails, as with RealRedis.
func RedisCluster(t testing.TB) *Cluster {
	t.Helper()
	path := redisServer(t)
	var err error
	for range portTries {
		c := &Cluster{}
		if err = c.startRedis(t, path); err == nil {
			return c
		}
		c.kill()
	}
	t.Fatalf("start a cluster of redis-servers: %v", err)
	return nil
}

func (c *Cluster) startRedis(t testing.TB, path string) error {
	var hosts []string
	for range redisServers {
		dir, port, bus := t.TempDir(), freePort(t), freePort(t)
		p := newProcess(t, Command{Path: path, Dir: dir, Ready: "Ready to accept connections", Log: serverLog(t), Args: []string{
			"--port", port, "--cluster-port", bus, "--bind", "127.0.0.1", "--dir", dir, "--save", "",
			"--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0",
			"--cluster-enabled", "yes", "--cluster-node-timeout", fmt.Sprint(RedisNodeTimeout.Milliseconds()),
		}})
		p.URL = "redis://127.0.0.1:" + port
		c.Servers, hosts = append(c.Servers, p), append(hosts, "127.0.0.1:"+port)
		if err := p.start(); err != nil {
			return err
		}
		if err := c.introduce(t.Context(), port, bus); err != nil {
			return err
		}
	}
	c.URL = "redis://" + strings.Join(hosts, ",")
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	return c.joinRedis(ctx)
}

// introduce tells the first server of another.
func (c *Cluster) introduce(ctx context.Context, port, bus string) error {
	return c.ask(ctx, 0, "cluster", "meet", "127.0.0.1", port, bus)
}

// ask sends one command to one server.
func (c *Cluster) ask(ctx context.Context, server int, command ...any) error {
	client := c.client(server)
	defer client.Close()
	return client.Do(ctx, command...).Err()
}

func (c *Cluster) client(server int) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(c.Servers[server].URL, "redis://"), DisableIdentity: true})
}

// joinRedis gives each server its part and waits until all agree.
func (c *Cluster) joinRedis(ctx context.Context) error {
	for i := range redisPrimaries {
		first, last := i*redisSlots/redisPrimaries, (i+1)*redisSlots/redisPrimaries-1
		if err := c.ask(ctx, i, "cluster", "addslotsrange", first, last); err != nil {
			return err
		}
	}
	for i := redisPrimaries; i < redisServers; i++ {
		client := c.client(i - redisPrimaries)
		id, err := client.Do(ctx, "cluster", "myid").Text()
		_ = client.Close()
		if err != nil {
			return err
		}
		// Refused until the replica has heard of its primary.
		if err := until(ctx, func(ctx context.Context) error { return c.ask(ctx, i, "cluster", "replicate", id) }); err != nil {
			return err
		}
	}
	for i := range c.Servers {
		if err := until(ctx, func(ctx context.Context) error { return c.joined(ctx, i) }); err != nil {
			return err
		}
	}
	return nil
}

// joined says why a server is not ready: what it knows of the cluster, and whether a
// replica has its primary's data.
func (c *Cluster) joined(ctx context.Context, i int) error {
	client := c.client(i)
	defer client.Close()
	info, err := client.ClusterInfo(ctx).Result()
	if err == nil && i >= redisPrimaries {
		var replication string
		replication, err = client.Info(ctx, "replication").Result()
		info += replication
	}
	if err != nil {
		return err
	}
	wanted := []string{"cluster_state:ok", fmt.Sprintf("cluster_known_nodes:%d", redisServers)}
	if i >= redisPrimaries {
		wanted = append(wanted, "master_link_status:up")
	}
	for _, want := range wanted {
		if !strings.Contains(info, want) {
			return fmt.Errorf("redis-server %d does not say %s", i, want)
		}
	}
	return nil
}

// until repeats what fails until it does not, or ctx ends.
func until(ctx context.Context, try func(context.Context) error) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), err)
		}
	}
}
