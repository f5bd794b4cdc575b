package handlers_test

import (
	"context"
	"slices"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/links/memstore"
)

// registration is the store of an app's state. It knows who must have heard that the app
// is suspended: every task that began since, for news are heard at once here.
type registration struct {
	*memstore.Apps
	w      *world
	is     apps.App
	tasks  int    // that had begun when it was suspended
	probes uint64 // that were made since
}

func (r *registration) Create(ctx context.Context, a apps.App) (uint64, error) {
	n, err := r.Apps.Create(ctx, a)
	return n, r.written(a, err)
}

func (r *registration) Update(ctx context.Context, a apps.App, revision uint64) (uint64, error) {
	n, err := r.Apps.Update(ctx, a, revision)
	return n, r.written(a, err)
}

func (r *registration) written(a apps.App, err error) error {
	if err != nil {
		return err
	}
	if a.Suspended() && a.Episode != r.is.Episode {
		r.tasks, r.probes = len(r.w.tasks), 0
	}
	r.is = a
	return nil
}

// asked: a suspended app's registration is shown in a probe, and no probe shows it twice.
func (r *registration) asked(by *task) {
	if !r.is.Suspended() || slices.Index(r.w.tasks, by) < r.tasks {
		return
	}
	if r.probes++; r.probes > r.is.Probes {
		r.w.t.Errorf("a suspended app was asked %d times after %d probes were allowed", r.probes, r.is.Probes)
	}
}
