package cluster_test

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/budget"
)

// A pool of go-redis that cannot reach its server notices only at its next try that
// it was closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// patience bounds every wait: for no machine to be too slow.
const patience = 3 * time.Minute

// full says that the whole of each show is to be run.
func full() bool { return os.Getenv("REGRANT_CLUSTER") == "full" }

// needsClusters skips what is not asked for: elections take as long as they do, and
// nine servers that flush every write are a lot beside other tests.
func needsClusters(t *testing.T) {
	t.Helper()
	if os.Getenv("REGRANT_CLUSTER") == "" {
		t.Skip("REGRANT_CLUSTER=short or full starts clusters of servers (make cluster)")
	}
	t.Parallel()
}

// size of a storm.
type size struct {
	lockTTL time.Duration
	// links in each of its parts: before servers are killed, from then on, and after
	// they are back.
	before, during, after int
	// every so often the next link's token ends.
	every time.Duration
	// rounds of killing.
	rounds int
}

// reportsEach is how often each end of a token is reported.
const reportsEach = 20

func stormSize() size {
	if full() {
		return size{budget.Default, 400, 1200, 400, 10 * time.Millisecond, 3}
	}
	return size{3 * time.Second, 30, 40, 30, 50 * time.Millisecond, 1}
}
