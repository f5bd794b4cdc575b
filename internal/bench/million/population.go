package million

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/regrant/regrant/internal/bench/provider"
	"github.com/regrant/regrant/internal/bench/stand"
)

const (
	op = "op"
	// bearerLife is far beyond the run: no timer fires in it.
	bearerLife = 30 * 24 * time.Hour
	// look is how often a worker is asked whether it is ready yet, scanEvery whether its
	// scan is over.
	look      = 2 * time.Millisecond
	scanEvery = time.Second
)

// population is so many links with servers and a worker of their own.
type population struct {
	dir    string
	links  int
	stand  *stand.Stand
	cell   *stand.Cell
	worker *stand.Process
	// url of the worker's probes and metrics.
	url string
	// used is how many links were refreshed; each is reported once.
	used int
}

func (p *population) close() {
	if p.worker != nil {
		p.worker.Kill()
	}
	p.stand.Close()
}

// link is the id of the i-th link to be refreshed. They lie all over the population.
func (p *population) link(i int) string { return stand.Address(op, p.number(i)).Link }

func (p *population) number(i int) int { return int(int64(i) * 7919 % int64(p.links)) }

// imports runs the command that operators run, on a file.
func (p *population) imports(ctx context.Context) (took time.Duration, rss stand.Bytes, err error) {
	file := filepath.Join(p.dir, "links.ndjson")
	if err := p.write(file); err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, p.stand.Worker, "links", "import", "--config", p.cell.ConfigFile(), file)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("import: %w\n%.2000s", err, out)
	}
	took = time.Since(began)
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		rss = stand.Bytes(usage.Maxrss << 10)
	}
	return took, rss, os.Remove(file)
}

func (p *population) write(file string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriterSize(f, 1<<20)
	lines, ends := json.NewEncoder(out), time.Now().Add(bearerLife).UTC().Format(time.RFC3339)
	for i := range p.links {
		link := stand.Address(op, i).Link
		t := provider.Token{Cell: p.cell.Name, Link: op + "-" + link, Generation: 1}
		err := lines.Encode(map[string]string{
			"provider": op, "link": link, "user": "user-" + link, "nickname": "login " + link, "sub": "sub-" + link,
			"access_token": t.Access(), "refresh_token": t.Refresh(), "expires_at": ends,
		})
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// work starts the worker and returns how long it took to be ready.
func (p *population) work(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	var err error
	p.worker, err = stand.Start(stand.Command{
		Name: "regrant", Path: p.stand.Worker, Dir: filepath.Dir(p.cell.ConfigFile()), Ready: "worker ready",
		Args: []string{"run", "--config", p.cell.ConfigFile(), "--http-addr", "127.0.0.1:0"},
	})
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(p.worker.Output(), "http=")
	address, _, _ := strings.Cut(rest, "\n")
	p.url = "http://" + strings.Trim(address, `" `)
	err = every(ctx, look, func() (bool, error) {
		status, _, err := p.get(ctx, "/readyz")
		return status == http.StatusOK, err
	})
	return time.Since(began), err
}

// scanned waits until the worker's first scan is over.
func (p *population) scanned(ctx context.Context) error {
	return every(ctx, scanEvery, func() (bool, error) {
		_, text, err := p.get(ctx, "/metrics")
		_, rest, _ := strings.Cut(text, "\nregrant_scan_completed_timestamp_seconds ")
		return rest != "" && rest[0] != '0', err
	})
}

func (p *population) get(ctx context.Context, path string) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// restartServer ends the NATS server gently and starts it again.
func (p *population) restartServer(ctx context.Context) (time.Duration, error) {
	return p.stand.Anew(ctx, "nats")
}

// command times one run of the worker program.
func (p *population) command(ctx context.Context, args ...string) (time.Duration, error) {
	began := time.Now()
	out, err := exec.CommandContext(ctx, p.stand.Worker, append(args, "--config", p.cell.ConfigFile())...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%.2000s", strings.Join(args, " "), err, out)
	}
	return time.Since(began), err
}

// every asks until the answer is yes.
func every(ctx context.Context, d time.Duration, done func() (bool, error)) error {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
