package providers

import (
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func TestReplayIsReadAsItIsWritten(t *testing.T) {
	for _, want := range []Replay{
		{}, {Kind: ReplaySafe}, {Kind: ReplayGrace, Window: 30 * time.Second}, {Kind: ReplayUntilSuccessorUsed, Window: 720 * time.Hour},
	} {
		text, err := yaml.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Replay
		if err := yaml.Unmarshal(text, &got); err != nil || got != want {
			t.Errorf("%s: %q read as %s, %v", want, text, got, err)
		}
	}
}
