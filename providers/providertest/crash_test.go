package providertest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// childDir, set, makes the test binary a simulator with its ledger there.
const childDir = "PROVIDERTEST_CHILD_DIR"

// hello is what the child says first.
type hello struct {
	At     Endpoints
	Tokens []string
}

// beChild issues four grants; the third refresh hangs after consumption, the
// fourth is held before. It prints hello, then each presentation that hangs, and waits
// to be killed.
func beChild(dir string) {
	s, err := Start(Config{Dir: dir, Providers: map[string]Behaviour{"op": {}}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	say := hello{At: s.Endpoints("op")}
	var families []string
	for i := range 4 {
		g := s.Issue("op", fmt.Sprint(i))
		say.Tokens, families = append(say.Tokens, g.RefreshToken), append(families, g.Family)
	}
	hanging := make(chan Presentation)
	s.Script("op",
		Fault{When: After, Kind: Hang, Family: families[2], Arrived: hanging},
		Fault{When: Before, Hold: make(chan struct{}), Family: families[3], Arrived: hanging})
	_ = out.Encode(say)
	for p := range hanging {
		_ = out.Encode(p)
	}
}

func TestKillDashNineLosesNoEntry(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := json.NewDecoder(stdout)
	var first hello
	if err := said.Decode(&first); err != nil {
		t.Fatal(err)
	}
	client := newClient()
	hanging := make(chan answer, 2)
	for i, token := range first.Tokens {
		if i < 2 {
			if a := post(client, first.At, refreshForm(token)); a.status != 200 {
				t.Fatalf("answered %d %v", a.status, a.err)
			}
			continue
		}
		go func() { hanging <- post(client, first.At, refreshForm(token)) }()
		var reached Presentation
		if err := said.Decode(&reached); err != nil {
			t.Fatal(err)
		}
	}
	alive, err := OpenLedger(filepath.Join(dir, LedgerName))
	if err != nil || len(alive.Presentations(Filter{})) != 4 {
		t.Fatalf("while the server runs: %+v, error %v", alive, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	for range 2 {
		if a := <-hanging; a.err == nil {
			t.Fatalf("a hanging request was answered %d", a.status)
		}
	}
	expectOutcomes(t, filepath.Join(dir, LedgerName), OK, OK, OK, Open)
}

func expectOutcomes(t *testing.T, path string, want ...Outcome) {
	t.Helper()
	ledger, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	got := ledger.Presentations(Filter{})
	if len(got) != len(want) {
		t.Fatalf("%d presentations, want %d", len(got), len(want))
	}
	for i, p := range got {
		if p.Outcome != want[i] || p.N != i+1 {
			t.Fatalf("presentation %d is %+v, want outcome %q", i+1, p, want[i])
		}
	}
}
