package apps_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/links/memstore"
)

// BenchmarkAdmit is what an attempt pays while all is well.
func BenchmarkAdmit(b *testing.B) {
	k, err := apps.Start(b.Context(), apps.Config{Apps: []string{"op"}, Worker: "one", Store: memstore.NewApps(time.Now)})
	if err != nil {
		b.Fatal(err)
	}
	defer k.Stop()
	for b.Loop() {
		p, _ := k.Admit(b.Context(), "op")
		if _, _, err := p.Worked(b.Context(), link); err != nil {
			b.Fatal(err)
		}
	}
}
