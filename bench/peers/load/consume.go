package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// afterwards is how long a consumer that has all goes on, to find a record too many; tests are faster.
var afterwards = 200 * time.Millisecond

// consume reads what produce wrote, from the start, by --consumers connections at once: each is given all
// records, and checks them. The time is from the first consumer's connecting until the last one has all.
func consume(ctx context.Context, server driver, o *options, found results) error {
	ledgers := make([]*ledger, o.consumers)
	failures := make([]error, o.consumers)
	ends := make([]time.Time, o.consumers)
	var all sync.WaitGroup
	start := time.Now()
	for i := range ledgers {
		ledgers[i] = newLedger(o.shares(), o.size)
		all.Go(func() { ends[i], failures[i] = readAll(ctx, server, o, ledgers[i]) })
	}
	all.Wait()
	last := start
	for i, end := range ends {
		if end.After(last) {
			last = end
		}
		failures[i] = errors.Join(failures[i], ledgers[i].verdict())
	}
	found["consumers"] = o.consumers
	sum(ledgers).report(found)
	reportRate(found, found["records"].(int64), last.Sub(start))
	return errors.Join(failures...)
}

// readAll returns when the last record that was expected had come.
func readAll(ctx context.Context, server driver, o *options, into *ledger) (time.Time, error) {
	from, err := server.consumer(ctx, []string{o.topic})
	if err != nil {
		return time.Now(), err
	}
	defer from.close()
	each := func(value []byte) { into.take(value) }
	for !into.complete() {
		if err := wait(ctx, from, o.patience, each); err != nil {
			return time.Now(), err
		}
	}
	end := time.Now()
	return end, readOn(ctx, from, each)
}

// wait hands on at least one record, or says that none came.
func wait(ctx context.Context, from consumer, patience time.Duration, each func([]byte)) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := from.next(limited, each)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no record came for %v", patience)
	}
	return err
}

// readOn takes what comes for a moment longer.
func readOn(ctx context.Context, from consumer, each func([]byte)) error {
	limited, cancel := context.WithTimeout(ctx, afterwards)
	defer cancel()
	for {
		err := from.next(limited, each)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func sum(ledgers []*ledger) *ledger {
	all := &ledger{}
	for _, one := range ledgers {
		all.expected += one.expected
		all.received += one.received
		all.bytes += one.bytes
		all.wrong += one.wrong
		all.doubled += one.doubled
		all.misordered += one.misordered
	}
	return all
}
