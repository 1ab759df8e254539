package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// catchup reads the --count records that are there, from the start, while another producer (the number after
// --producers) goes on at --rate. The time is until the consumer has what was there before; then the other
// producer stops, and what it sent is read and checked, too.
func catchup(ctx context.Context, server driver, o *options, found results) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	producers, err := prepare(ctx, server, []string{o.topic}, 1)
	if err != nil {
		return err
	}
	defer closeAll(producers)
	other := &stoppable{producer: producers[0], stop: make(chan struct{})}
	sending := make(chan error, 1)
	go func() {
		late := hdrhistogram.New(1, longestLatency, digits)
		p := pace{uint32(o.producers), 0, math.MaxInt32}
		sending <- sendOnSchedule(other, o, schedule{time.Now(), o.rate}, p, late)
	}()
	into, start := newLedger(o.shares(), o.size), time.Now()
	before := into.expected
	into.add(math.MaxInt32)
	end, reading := readTwice(ctx, server, o, into, before, func(failed error) error {
		if failed != nil {
			cancel() // the producer may wait for the same dead server
		}
		close(other.stop)
		err := <-sending
		if errors.Is(err, errStopped) {
			err = other.flush()
		}
		into.shorten(other.sent)
		return err
	})
	into.report(found)
	found["records"], found["bytes"] = before, before*int64(o.size)
	found["producer_records"] = other.sent
	found["producer_rate"] = float64(other.sent) / end.Sub(start).Seconds()
	reportRate(found, before, end.Sub(start))
	return errors.Join(reading, into.verdict())
}

// readTwice reads what was there before, then stops the other producer and reads its records, too.
func readTwice(ctx context.Context, server driver, o *options, into *ledger, before int64,
	stop func(error) error) (time.Time, error) {
	from, err := server.consumer(ctx, []string{o.topic})
	if err != nil {
		return time.Now(), errors.Join(err, stop(err))
	}
	defer from.close()
	old, latest := int64(0), time.Now()
	each := func(value []byte) {
		if r, ok := into.take(value); ok && int(r.producer) < o.producers {
			old++
			latest = time.Now()
		}
	}
	for old < before && err == nil {
		err = wait(ctx, from, o.patience, each)
		if time.Since(latest) > o.patience { // new ones may still come
			err = fmt.Errorf("%d of %d records that were to be there did not come", before-old, before)
		}
	}
	end := time.Now()
	if err = errors.Join(err, stop(err)); err != nil {
		return end, err
	}
	for !into.complete() {
		if err := wait(ctx, from, o.patience, each); err != nil {
			return end, err
		}
	}
	return end, readOn(ctx, from, each)
}

var errStopped = errors.New("stopped")

// stoppable counts what a producer sends, until it is told to stop.
type stoppable struct {
	producer
	stop chan struct{}
	sent int64
}

func (s *stoppable) send(topic string, value []byte) error {
	select {
	case <-s.stop:
		return errStopped
	default:
	}
	s.sent++
	return s.producer.send(topic, value)
}
