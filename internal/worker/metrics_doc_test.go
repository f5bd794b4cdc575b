package worker_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/internal/worker"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const (
	metricsFile = "../../docs/metrics.md"
	alertsFile  = "../../deploy/prometheus/alerts.yaml"
	operations  = "../../docs/operations.md"
)

// The page is written from what a worker registers.
func TestThePageOfMetricsIsWhatAWorkerRegisters(t *testing.T) {
	page := metricsPage(registeredMetrics(t))
	if *update {
		if err := os.WriteFile(metricsFile, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(read(t, metricsFile), page) {
		t.Errorf("%s is not what a worker registers; run `go test ./internal/worker -run PageOfMetrics -update`", metricsFile)
	}
}

// A rule about a metric that nobody exports never fires.
func TestRulesNameOnlyMetricsThatExist(t *testing.T) {
	exist := map[string]bool{}
	for _, m := range registeredMetrics(t) {
		exist[m.name] = true
		if m.kind == "histogram" {
			exist[m.name+"_bucket"], exist[m.name+"_sum"], exist[m.name+"_count"] = true, true, true
		}
	}
	named := regexp.MustCompile(`\bregrant_[a-z0-9_]+`).FindAllString(string(read(t, alertsFile)), -1)
	if len(named) < 10 {
		t.Fatalf("%d metrics are named in %s", len(named), alertsFile)
	}
	for _, name := range named {
		if !exist[name] {
			t.Errorf("%s names %s, which no worker exports", alertsFile, name)
		}
	}
}

// Whoever is woken by an alert finds under its name what it means.
func TestEachAlertSaysWhatToDoAndHasItsSection(t *testing.T) {
	alerts := strings.Split(string(read(t, alertsFile)), "- alert: ")[1:]
	if len(alerts) < 10 {
		t.Fatalf("%d alerts", len(alerts))
	}
	guide := string(read(t, operations))
	for _, text := range alerts {
		name, _, _ := strings.Cut(text, "\n")
		for _, part := range []string{"severity: ", "summary: ", "description: ", "docs/operations.md#" + strings.ToLower(name)} {
			if !strings.Contains(text, part) {
				t.Errorf("alert %s has no %q", name, part)
			}
		}
		if !strings.Contains(guide, "\n### "+name+"\n") {
			t.Errorf("%s has no section %s", operations, name)
		}
	}
	for _, section := range regexp.MustCompile(`(?m)^### (Regrant\w+)$`).FindAllStringSubmatch(guide, -1) {
		if !slices.ContainsFunc(alerts, func(text string) bool { return strings.HasPrefix(text, section[1]+"\n") }) {
			t.Errorf("%s describes the alert %s, which does not exist", operations, section[1])
		}
	}
}

// No label may hold what a user or a provider chooses.
func TestLabelsOfMetricsAreBounded(t *testing.T) {
	for _, m := range registeredMetrics(t) {
		for _, label := range m.labels {
			if slices.Contains([]string{"link", "user", "tenant", "worker", "subject", "attempt"}, label) {
				t.Errorf("%s has the label %s", m.name, label)
			}
		}
	}
}

const metricsHead = `# Metrics

Written from what a worker registers by ` + "`go test ./internal/worker -run PageOfMetrics -update`" + `; do not edit.

Served as ` + "`/metrics` on `--http-addr`" + `, with the collectors of the Go runtime (` + "`go_*`" + `) and of the process (` + "`process_*`" + `).
The two that matter: ` + "`regrant_presentations_per_expiry`, which must be 1, and `regrant_report_to_rotated_seconds`" + `, which users
feel. No label names a link, a user or a tenant. What to do about them is in [operations.md](operations.md), the rules in
[deploy/prometheus](../deploy/prometheus).

| metric | type | labels | |
|---|---|---|---|
`

func metricsPage(all []metric) []byte {
	page := bytes.NewBufferString(metricsHead)
	for _, m := range all {
		fmt.Fprintf(page, "| `%s` | %s | %s | %s |\n", m.name, m.kind, strings.Join(m.labels, ", "), m.help)
	}
	return page.Bytes()
}

type metric struct {
	name, kind, help string
	labels           []string
}

// registeredMetrics are those of a worker that runs, in alphabetical order.
var registeredMetrics = func() func(t *testing.T) []metric {
	var once sync.Once
	r := &recorder{Registry: prometheus.NewRegistry()}
	return func(t *testing.T) []metric {
		once.Do(func() {
			c := newCell(t, startNATS(t, t.TempDir(), -1).URL())
			start(t, c, "a", func(o *worker.Options) { o.Registry = r })
		})
		slices.SortFunc(r.all, func(a, b metric) int { return strings.Compare(a.name, b.name) })
		return r.all
	}
}()

// recorder notes what is registered: a registry shows only what was counted already.
type recorder struct {
	*prometheus.Registry
	all []metric
}

func (r *recorder) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

func (r *recorder) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 100)
	c.Describe(descs)
	close(descs)
	for d := range descs {
		m := described(d)
		m.kind = kindOf(c, m.name)
		r.all = append(r.all, m)
	}
	return r.Registry.Register(c)
}

// description is how a Desc prints itself; it has no other way to say what it holds.
var description = regexp.MustCompile(`^Desc\{fqName: "(.*)", help: "(.*?)"(?:, unit: ".*")?, constLabels: \{.*\}, variableLabels: \{(.*)\}\}$`)

func described(d *prometheus.Desc) metric {
	parts := description.FindStringSubmatch(d.String())
	if parts == nil {
		panic("not understood: " + d.String())
	}
	m := metric{name: parts[1], help: strings.ReplaceAll(parts[2], `\"`, `"`)}
	if parts[3] != "" {
		m.labels = strings.Split(parts[3], ",")
	}
	return m
}

func kindOf(c prometheus.Collector, name string) string {
	switch c.(type) {
	case *prometheus.HistogramVec, prometheus.Histogram:
		return "histogram"
	}
	if strings.HasSuffix(name, "_total") {
		return "counter"
	}
	return "gauge"
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
