package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// topics makes --topics topics, sends one record into each, and reads them all back with one consumer.
func topics(ctx context.Context, server driver, o *options, found results) error {
	names := make([]string, o.topics)
	for i := range names {
		names[i] = fmt.Sprintf("%s.%d", o.topic, i)
	}
	start := time.Now()
	producers, err := prepare(ctx, server, names, 1)
	if err != nil {
		return err
	}
	defer closeAll(producers)
	created := time.Now()
	counts := make([]int64, len(names))
	for i, name := range names {
		counts[i] = 1
		r := record{producer: uint32(i), intended: time.Now().UnixNano()}
		if err := producers[0].send(name, r.make(o.size)); err != nil {
			return err
		}
	}
	if err := producers[0].flush(); err != nil {
		return err
	}
	written := time.Now()
	into := newLedger(counts, o.size)
	reading := readTopics(ctx, server, names, o.patience, into)
	end := time.Now()
	into.report(found)
	found["topics"] = o.topics
	found["create_seconds"], found["produce_seconds"] = seconds(created.Sub(start)), seconds(written.Sub(created))
	found["consume_seconds"] = seconds(end.Sub(written))
	reportRate(found, into.received, end.Sub(start))
	return errors.Join(reading, into.verdict())
}

func readTopics(ctx context.Context, server driver, names []string, patience time.Duration, into *ledger) error {
	from, err := server.consumer(ctx, names)
	if err != nil {
		return err
	}
	defer from.close()
	for !into.complete() {
		if err := wait(ctx, from, patience, func(value []byte) { into.take(value) }); err != nil {
			return err
		}
	}
	return nil
}
