package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is a server within the test that may be broken: what it stores of the record number `at`.
type memory struct {
	lock   sync.Mutex
	topics map[string][][]byte
	broken func(value []byte) [][]byte
	stored int
	at     int
}

func (m *memory) settings() []string                         { return nil }
func (m *memory) lacks(string) string                        { return "" }
func (m *memory) create(context.Context, []string) error     { return nil }
func (m *memory) producer(context.Context) (producer, error) { return m, nil }
func (m *memory) flush() error                               { return nil }
func (m *memory) close()                                     {}
func (m *memory) consumer(_ context.Context, topics []string) (consumer, error) {
	return &memoryConsumer{m, topics, make([]int, len(topics))}, nil
}

func (m *memory) send(topic string, value []byte) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	given := [][]byte{value}
	if m.broken != nil && m.stored == m.at {
		given = m.broken(value)
	}
	m.stored++
	m.topics[topic] = append(m.topics[topic], given...)
	return nil
}

type memoryConsumer struct {
	of     *memory
	topics []string
	read   []int
}

func (c *memoryConsumer) next(ctx context.Context, each func([]byte)) error {
	for {
		c.of.lock.Lock()
		found := 0
		for i, topic := range c.topics {
			for _, value := range c.of.topics[topic][c.read[i]:] {
				each(value)
				found++
			}
			c.read[i] = len(c.of.topics[topic])
		}
		c.of.lock.Unlock()
		if found > 0 {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
}

func (c *memoryConsumer) close() {}

// within runs modes, one after the other, against one server.
func within(t *testing.T, m *memory, more string, modes_ ...string) (results, error) {
	t.Helper()
	m.topics, drivers["memory"] = map[string][][]byte{}, func(*options) driver { return m }
	defer delete(drivers, "memory")
	defer func(before time.Duration) { afterwards = before }(afterwards)
	afterwards = 20 * time.Millisecond
	var found results
	for _, name := range modes_ {
		words := name + " --peer memory --address x:1 --count 1000 " + more
		o, err := parse(strings.Fields(words))
		if err != nil {
			t.Fatal(err)
		}
		found = o.describe()
		if err := work(o, found); err != nil {
			return found, err
		}
	}
	return found, nil
}

var everything = map[string][]string{
	"":                                    {"produce", "consume"},
	"--producers 8":                       {"produce", "consume"},
	"--consumers 3":                       {"produce", "fanout"},
	"--rate 10000":                        {"produce", "catchup"},
	"--rate 10000 --seconds 0.1 --warm 0": {"latency"},
	"--topics 20":                         {"topics"},
}

func TestAServerThatKeepsAll(t *testing.T) {
	for more, names := range everything {
		if found, err := within(t, &memory{}, more, names...); err != nil {
			t.Errorf("%v %s: %v, %v", names, more, err, found)
		}
	}
}

func TestAServerThatDoesNot(t *testing.T) {
	damaged := func(value []byte) [][]byte {
		other := bytes.Clone(value)
		other[len(other)-1]++
		return [][]byte{other}
	}
	for what, broken := range map[string]func([]byte) [][]byte{
		"loses a record":   func([]byte) [][]byte { return nil },
		"damages a record": damaged,
		"shortens one":     func(value []byte) [][]byte { return [][]byte{value[:len(value)-1]} },
		"doubles one":      func(value []byte) [][]byte { return [][]byte{value, value} },
		"invents one":      func(value []byte) [][]byte { return [][]byte{value, record{producer: 99}.make(100)} },
	} {
		for more, names := range everything {
			at := 19 // the last topic
			if names[0] == "topics" && (what == "doubles one" || what == "invents one") {
				continue // a mode that stops at its last record
			}
			if found, err := within(t, &memory{broken: broken, at: at}, more+" --patience 200ms", names...); err == nil {
				t.Errorf("a server that %s is found good by %v %s: %v", what, names, more, found)
			}
		}
	}
}

func TestLatencyCountsFromWhenARecordWasDue(t *testing.T) {
	still := 50 * time.Millisecond
	m := &memory{at: 200, broken: func(value []byte) [][]byte {
		time.Sleep(still)
		return [][]byte{value}
	}}
	found, err := within(t, m, "--rate 1000 --seconds 0.2 --warm 0.1", "latency")
	if err != nil {
		t.Fatal(err)
	}
	if found["sent"] != int64(200) || found["received"] != int64(200) {
		t.Error(found)
	}
	// A record waited all of the time; those that were due meanwhile waited for what was left of it.
	if found["max"].(float64) < micro(int64(still)) || found["p90"].(float64) < micro(int64(still))/4 {
		t.Error(found)
	}
	if found["late_max"].(float64) < micro(int64(still))/2 {
		t.Error(found)
	}
}

func TestAWindowLetsNoMoreThrough(t *testing.T) {
	w := newWindow(context.Background(), 2)
	w.acquire()
	w.acquire()
	third := make(chan error, 1)
	go func() { third <- w.acquire() }()
	select {
	case <-third:
		t.Fatal("three are under way")
	case <-time.After(20 * time.Millisecond):
	}
	w.release(1)
	if err := <-third; err != nil {
		t.Fatal(err)
	}
	w.fail(context.Canceled)
	if w.drained() != context.Canceled || w.acquire() != context.Canceled {
		t.Error("a failure is no longer known")
	}
}
