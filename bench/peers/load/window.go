package main

import (
	"context"
	"sync"
)

// A window is for clients that have none of their own: how many records may be under way, and the first
// failure of one.
type window struct {
	lock   sync.Mutex
	change sync.Cond
	most   int
	used   int
	failed error
	stop   func() bool
}

// newWindow fails by itself when the context ends.
func newWindow(ctx context.Context, most int) *window {
	w := &window{most: most}
	w.change.L = &w.lock
	w.stop = context.AfterFunc(ctx, func() { w.fail(ctx.Err()) })
	return w
}

func (w *window) acquire() error {
	w.lock.Lock()
	defer w.lock.Unlock()
	for w.used >= w.most && w.failed == nil {
		w.change.Wait()
	}
	w.used++
	return w.failed
}

func (w *window) release(records int) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.used -= records
	w.change.Broadcast()
}

func (w *window) fail(err error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.failed == nil {
		w.failed = err
	}
	w.change.Broadcast()
}

// drained waits until nothing is under way.
func (w *window) drained() error {
	w.lock.Lock()
	defer w.lock.Unlock()
	for w.used > 0 && w.failed == nil {
		w.change.Wait()
	}
	return w.failed
}

// addressed is a record on its way.
type addressed struct {
	topic string
	value []byte
}

// gather takes one record, waiting for it, and what else is there by now; none when the queue is closed.
func gather(queue <-chan addressed, into []addressed) []addressed {
	one, open := <-queue
	for open {
		into = append(into, one)
		if len(into) == cap(into) {
			return into
		}
		select {
		case one, open = <-queue:
		default:
			return into
		}
	}
	return into
}
