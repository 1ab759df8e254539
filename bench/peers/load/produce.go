package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// produce sends --count records by --producers connections, each as fast as its window lets it. The time is
// from the first record until the last is acknowledged.
func produce(ctx context.Context, server driver, o *options, found results) error {
	producers, err := prepare(ctx, server, []string{o.topic}, o.producers)
	if err != nil {
		return err
	}
	defer closeAll(producers)
	failures := make([]error, len(producers))
	var all sync.WaitGroup
	start := time.Now()
	for i, one := range producers {
		all.Go(func() { failures[i] = sendAll(one, o, i) })
	}
	all.Wait()
	took := time.Since(start)
	if err := errors.Join(failures...); err != nil {
		return err
	}
	found["producers"] = o.producers
	found["records"], found["bytes"] = o.count, o.count*int64(o.size)
	reportRate(found, o.count, took)
	return nil
}

func sendAll(to producer, o *options, number int) error {
	for sequence := range o.share(number) {
		r := record{producer: uint32(number), sequence: uint64(sequence), intended: time.Now().UnixNano()}
		if err := to.send(o.topic, r.make(o.size)); err != nil {
			return err
		}
	}
	return to.flush()
}

func reportRate(found results, records int64, took time.Duration) {
	found["seconds"] = seconds(took)
	found["rate"] = float64(records) / took.Seconds()
}
