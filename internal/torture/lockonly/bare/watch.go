package bare

import (
	"context"
	"sync"
)

// Watch calls changed with every record, named as by Keys, as it is now and as it is
// written from then on, until ctx ends. wait returns when the last call has.
func (s Store) Watch(ctx context.Context, changed func(key string, record []byte)) (wait func(), err error) {
	w, err := s.kv.WatchAll(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	var running sync.WaitGroup
	running.Go(func() {
		defer func() { _ = w.Stop() }()
		for {
			select {
			case <-ctx.Done():
				return
			case e, more := <-w.Updates():
				if !more {
					return
				}
				if e != nil { // nil: the end of what was there already
					changed(e.Key(), e.Value())
				}
			}
		}
	})
	return running.Wait, nil
}
