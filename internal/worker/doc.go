// Package worker assembles one worker from a configuration: it joins the bus,
// the store, the locks, the spool, the providers and the handlers, owns every
// goroutine they need, and takes them down in the order in which nothing is
// lost: stop pulling, let provider calls finish and save, publish, drain.
package worker
