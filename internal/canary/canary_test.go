package canary_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/links"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Show 5, and G6: after rotations, lost answers, dead grants, forged ID tokens
// and inputs that are bad in every way, no secret is anywhere but sealed.
func TestNoSecretLeavesItsPlace(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]links.Status{
		"rotated": links.Active, "answer lost": links.ConsentRequired, "answer cut": links.ConsentRequired,
		"garbage": links.ConsentRequired, "server error": links.ConsentRequired, "redirect": "",
		"put off": links.Active, "refused": "", "grant dead": links.ConsentRequired,
		"other subject": links.Quarantined, "foreign key": links.Quarantined,
	} {
		w.happens(name, want)
	}
	bad := w.badInputs()
	places := w.places()

	secrets := needles{}
	for i, text := range w.cell.Sim.Issued() {
		secrets.hide(fmt.Sprintf("credential %d", i), text)
	}
	for _, l := range w.links {
		secrets.hide("sub of "+l.Link, l.Sub)
	}
	sent := needles{}
	for i, text := range bad {
		sent.hide(fmt.Sprintf("bad input %d", i), text)
	}
	for name, text := range places {
		for _, what := range secrets.in(text) {
			t.Errorf("%s holds %s", name, what)
		}
		if name == w.inputs() {
			if len(sent.in(text)) == 0 {
				t.Errorf("%s does not hold the bad inputs: they were not stored, or the scan is blind", name)
			}
			continue
		}
		for _, what := range sent.in(text) {
			t.Errorf("%s holds %s", name, what)
		}
	}
	for _, want := range []string{"log", "metrics", "spans", "spool", "nats/CANARY_OUT", "nats/CANARY_DEAD", "nats/KV_canary_links", "stream CANARY_OUT", "stream CANARY_DEAD"} {
		if len(places[want]) == 0 {
			t.Errorf("nothing was found at %s: there was nothing to scan", want)
		}
	}
}

// The scan is worth what it finds: a secret that is planted in each of the
// places must be found there, and in no other.
func TestThePlantedSecretIsFound(t *testing.T) {
	w := newWorld(t)
	w.happens("rotated", links.Active)
	const secret = "planted-canary-of-some-length"
	hidden := needles{}
	hidden.hide("the plant", secret)
	w.plant(secret)
	places := w.places()
	var found []string
	for name, text := range places {
		if len(hidden.in(text)) > 0 {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	want := []string{"api", "cli", "log", "metrics", "redis", "spans", "spool"}
	for _, stream := range []string{"CANARY_OUT", "CANARY_DEAD", "CANARY_AUDIT", "CANARY_TIMER", "KV_canary_links", "KV_canary_index", "KV_canary_consents"} {
		want = append(want, "nats/"+stream, "stream "+stream)
	}
	slices.Sort(want)
	if !slices.Equal(found, want) {
		t.Errorf("found in %q, planted in %q", found, want)
	}
}

func TestEveryFormOfASecretIsFound(t *testing.T) {
	hidden := needles{}
	const secret = "s3cr3t/of+some=length&more"
	hidden.hide("it", secret)
	for _, text := range forms(secret) {
		if len(hidden.in([]byte(text))) == 0 {
			t.Errorf("not found in %s", text)
		}
	}
	if found := hidden.in([]byte("nothing of the kind is here")); len(found) > 0 {
		t.Errorf("found %v in nothing", found)
	}
}

// files reads all files below a directory as one text for each of its children.
func files(t *testing.T, root string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		child := rel
		if i := slices.Index([]byte(rel), filepath.Separator); i > 0 {
			child = rel[:i]
		}
		all[child] = append(append(all[child], rel...), text...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
