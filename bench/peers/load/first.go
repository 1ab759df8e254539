package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	attemptLimit = 5 * time.Second
	betweenTries = time.Millisecond
)

// first tries until one record was acknowledged and read, and says how long after the start of this process:
// begin it together with the server. Each attempt has a topic of its own.
func first(ctx context.Context, server driver, o *options, found results) error {
	limit := began.Add(o.patience)
	failure := errors.New("it was not tried")
	for attempt := 1; time.Now().Before(limit); attempt++ {
		if failure = attemptFirst(ctx, server, o, attempt); failure == nil {
			found["records"], found["bytes"], found["attempts"] = 1, o.size, attempt
			found["seconds"] = seconds(time.Since(began))
			return nil
		}
		time.Sleep(betweenTries)
	}
	return fmt.Errorf("no record came back within %v: %w", o.patience, failure)
}

func attemptFirst(ctx context.Context, server driver, o *options, attempt int) error {
	probe, err := net.DialTimeout("tcp", o.address, attemptLimit)
	if err != nil {
		return err
	}
	probe.Close()
	limited, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	name := fmt.Sprintf("%s.%d", o.topic, attempt)
	producers, err := prepare(limited, server, []string{name}, 1)
	if err != nil {
		return err
	}
	defer closeAll(producers)
	into := newLedger([]int64{1}, o.size)
	r := record{intended: time.Now().UnixNano()}
	if err := producers[0].send(name, r.make(o.size)); err != nil {
		return err
	}
	if err := producers[0].flush(); err != nil {
		return err
	}
	return readTopics(limited, server, []string{name}, attemptLimit, into)
}
