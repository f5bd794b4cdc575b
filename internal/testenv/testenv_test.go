package testenv_test

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/regrant/regrant/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEmbeddedServersAnswer(t *testing.T) {
	nc, err := nats.Connect(testenv.NATS(t))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	ping(t, testenv.Redis(t))
}

func TestRealRedisIsKilledStoppedAndRestarted(t *testing.T) {
	p := testenv.RealRedis(t)
	ping(t, p.URL)

	p.Stop()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "redis://"))
	if err != nil {
		t.Fatalf("a stopped server's socket still accepts: %v", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	p.Cont()
	reply := make([]byte, 7)
	if _, err := conn.Read(reply); err != nil || string(reply) != "+PONG\r\n" {
		t.Fatalf("after going on: %q, %v", reply, err)
	}

	url, pid := p.URL, p.Pid()
	p.Kill()
	if _, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "redis://")); err == nil {
		t.Fatal("the killed server accepts")
	}
	p.Restart()
	if p.URL != url || p.Pid() == pid {
		t.Fatalf("restarted as %s, pid %d", p.URL, p.Pid())
	}
	ping(t, p.URL)
}

func TestRealRedisTakesArguments(t *testing.T) {
	p := testenv.RealRedis(t, "--requirepass", "pass")
	ping(t, strings.Replace(p.URL, "redis://", "redis://:pass@", 1))
}

func TestRealNATSKeepsItsStore(t *testing.T) {
	p := testenv.RealNATS(t, t.TempDir(), 0)
	nc, err := nats.Connect(p.URL, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	p.Restart()
	testenv.Eventually(t, time.Minute, "the stream is there after the restart", func() bool {
		_, err := js.StreamInfo("S")
		return err == nil
	})
}

func TestANATSClusterLosesAServer(t *testing.T) {
	c := testenv.NATSCluster(t)
	nc, err := nats.Connect(c.URL, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	c.Servers[0].Kill()
	testenv.Eventually(t, time.Minute, "two of three store", func() bool {
		_, err := js.Publish("s", nil)
		return err == nil
	})
	c.Servers[0].Restart()
}

func TestARedisClusterHasEverySlot(t *testing.T) {
	c := testenv.RedisCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(strings.TrimPrefix(c.URL, "redis://"), ",")})
	defer client.Close()
	for i := range 100 {
		if err := client.Set(t.Context(), strings.Repeat("x", i+1), "", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStartReportsAProcessThatEnds(t *testing.T) {
	p := testenv.Start(t, testenv.Command{Path: "/bin/sh", Args: []string{"-c", "echo here; exit 3"}, Ready: "here"})
	if err := p.Wait(); err == nil || err.Error() != "exit status 3" {
		t.Fatalf("ended with %v", err)
	}
	<-p.Exited()
	if p.Output() != "here\n" {
		t.Fatalf("it said %q", p.Output())
	}
}

func TestSignalReachesTheProcess(t *testing.T) {
	p := testenv.Start(t, testenv.Command{
		Path: "/bin/sh", Args: []string{"-c", "trap 'exit 0' TERM; echo $WORD; while :; do :; done"},
		Env: []string{"WORD=trapped"}, Ready: "trapped",
	})
	p.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestLogIsSilentAfterTheTest(t *testing.T) {
	var log func(string, ...any)
	t.Run("inner", func(t *testing.T) { log = testenv.Log(t).Info; log("during") })
	log("after") // panics without the guard
}

func ping(t *testing.T, url string) {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	defer client.Close()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}
