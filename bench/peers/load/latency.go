package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	longestLatency = int64(10 * time.Minute)
	digits         = 3
	// With one CPU the runtime would let one thread run at a time, and take it from the sender, which sleeps in
	// short system calls, only every 10 ms. With two the kernel decides who is next.
	latencyThreads = 2
)

// latency sends at --rate by an open-loop schedule and takes the time of each record from when it was due
// until the consumer has it: a server that stands still is charged for all that was due meanwhile. One
// producer and one consumer, in this process. How late the generator itself was is told apart (late_*): from
// when a record was due until the client is given it, which is long where the window was full.
func latency(ctx context.Context, server driver, o *options, found results) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	runtime.GOMAXPROCS(max(runtime.NumCPU(), latencyThreads))
	producers, err := prepare(ctx, server, []string{o.topic}, 1)
	if err != nil {
		return err
	}
	defer closeAll(producers)
	from, err := server.consumer(ctx, []string{o.topic})
	if err != nil {
		return err
	}
	defer from.close()
	warm, measured := int64(o.rate*o.warm), int64(o.rate*o.seconds)
	if measured < 1 {
		return errors.New("--rate times --seconds is less than one record")
	}
	late := hdrhistogram.New(1, longestLatency, digits)
	sending := make(chan error, 1)
	start := time.Now().Add(100 * time.Millisecond)
	go func() {
		sending <- sendOnSchedule(producers[0], o, schedule{start, o.rate}, pace{0, warm, warm + measured}, late)
	}()
	into := newLedger([]int64{warm + measured}, o.size)
	times := hdrhistogram.New(1, longestLatency, digits)
	end, receiving := receive(ctx, from, o, into, clock{start, warm, times})
	if receiving != nil {
		cancel() // the producer may wait for the same dead server
	}
	sent := <-sending
	took := end.Sub(start)
	into.report(found)
	found["rate"] = o.rate
	found["warm"], found["sent"], found["received"] = warm, late.TotalCount(), times.TotalCount()
	found["seconds"], found["rate_reached"] = seconds(took), float64(into.received)/took.Seconds()
	percentiles(found, "", times)
	percentiles(found, "late_", late)
	return errors.Join(sent, receiving, into.verdict())
}

// A pace is whose records are sent, how many before it counts, and how many at all.
type pace struct {
	producer   uint32
	warm, most int64
}

func sendOnSchedule(to producer, o *options, s schedule, p pace, late *hdrhistogram.Histogram) error {
	runtime.LockOSThread() // and is not unlocked: the thread, with its timer slack, ends with the goroutine
	if err := exactSleep(); err != nil {
		return fmt.Errorf("timer slack: %w", err)
	}
	for i := range p.most {
		due := s.due(i)
		sleepUntil(due)
		if i >= p.warm {
			if err := late.RecordValue(max(1, int64(time.Since(due)))); err != nil {
				return err
			}
		}
		r := record{producer: p.producer, sequence: uint64(i), intended: due.UnixNano()}
		if err := to.send(o.topic, r.make(o.size)); err != nil {
			return err
		}
	}
	return to.flush()
}

// A clock counts what has come from record warm on; its time goes on evenly from start.
type clock struct {
	start time.Time
	warm  int64
	times *hdrhistogram.Histogram
}

func (c clock) stop(r record) error {
	if int64(r.sequence) < c.warm {
		return nil
	}
	now := c.start.UnixNano() + int64(time.Since(c.start))
	return c.times.RecordValue(max(1, now-r.intended))
}

// receive returns when the last record had come.
func receive(ctx context.Context, from consumer, o *options, into *ledger, c clock) (time.Time, error) {
	var failure error
	each := func(value []byte) {
		if r, ok := into.take(value); ok {
			failure = errors.Join(failure, c.stop(r))
		}
	}
	for !into.complete() && failure == nil {
		if err := wait(ctx, from, o.patience, each); err != nil {
			return time.Now(), err
		}
	}
	end := time.Now()
	return end, errors.Join(failure, readOn(ctx, from, each))
}

// percentiles in microseconds.
func percentiles(found results, prefix string, of *hdrhistogram.Histogram) {
	for name, quantile := range map[string]float64{"p50": 50, "p90": 90, "p99": 99, "p999": 99.9} {
		found[prefix+name] = micro(of.ValueAtQuantile(quantile))
	}
	found[prefix+"max"] = micro(of.Max())
}

func micro(nanoseconds int64) float64 { return float64(nanoseconds) / 1000 }
