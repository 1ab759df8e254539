package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

const usage = "usage: load produce|consume|latency|fanout|catchup|topics|first --peer PEER --address HOST:PORT ..."

// options are the words of the command line.
type options struct {
	mode, peer, address, topic, acks string
	size                             int
	count                            int64
	producers, consumers, topics     int
	rate, seconds, warm              float64
	window                           int
	patience                         time.Duration
}

const (
	windowRecords = 8000
	windowBytes   = 16 << 20
)

func parse(words []string) (*options, error) {
	if len(words) == 0 || modes[words[0]] == nil {
		return nil, errors.New(usage)
	}
	o := &options{mode: words[0]}
	readers := 1
	if o.mode == "fanout" {
		readers = 8
	}
	flags := flag.NewFlagSet("load "+o.mode, flag.ContinueOnError)
	flags.StringVar(&o.peer, "peer", "", "driver: "+strings.Join(slices.Sorted(maps.Keys(drivers)), ", "))
	flags.StringVar(&o.address, "address", "", "host:port of the server")
	flags.StringVar(&o.topic, "topic", "load", "the topic (stream, tube); made if it is not there")
	flags.StringVar(&o.acks, "acks", "memory", "memory or disk: what the server was set up for; only repeated")
	flags.IntVar(&o.size, "size", 100, "bytes of a record")
	flags.Int64Var(&o.count, "count", 100000, "records of all producers; for catchup: those that are there before")
	flags.IntVar(&o.producers, "producers", 1, "connections that produce, or did produce what is consumed")
	flags.IntVar(&o.consumers, "consumers", readers, "connections that consume, each of them all records")
	flags.IntVar(&o.topics, "topics", 1000, "topics of the mode topics")
	flags.Float64Var(&o.rate, "rate", 1000, "records a second, for latency and catchup")
	flags.Float64Var(&o.seconds, "seconds", 10, "how long latency measures")
	flags.Float64Var(&o.warm, "warm", 1, "seconds at that rate before latency measures")
	flags.IntVar(&o.window, "window", windowRecords, "records that all producers together may have unacknowledged")
	flags.DurationVar(&o.patience, "patience", 30*time.Second, "how long to wait for one more record")
	if err := flags.Parse(words[1:]); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unknown word %q; %s", flags.Arg(0), usage)
	}
	return o, o.check()
}

func (o *options) check() error {
	switch {
	case drivers[o.peer] == nil:
		return fmt.Errorf("no driver %q; there are %s", o.peer, strings.Join(slices.Sorted(maps.Keys(drivers)), ", "))
	case o.address == "":
		return errors.New("--address is missing")
	case o.acks != "memory" && o.acks != "disk":
		return fmt.Errorf("--acks is memory or disk, not %q", o.acks)
	case o.size < headerSize || o.size > largestRecord:
		return fmt.Errorf("--size is %d to %d", headerSize, largestRecord)
	case o.count < 1 || o.producers < 1 || o.consumers < 1 || o.topics < 1 || o.window < o.producers:
		return errors.New("--count, --producers, --consumers and --topics are at least 1, --window at least --producers")
	case o.rate <= 0 || o.seconds <= 0 || o.warm < 0 || o.patience <= 0:
		return errors.New("--rate, --seconds and --patience are above 0")
	}
	return nil
}

// unacknowledged is the window of one producer in records: the same for every server.
func (o *options) unacknowledged() int {
	return max(1, min(o.window, windowBytes/o.size)/o.producers)
}

// share is how many of the records are producer i's.
func (o *options) share(i int) int64 {
	each, rest := o.count/int64(o.producers), o.count%int64(o.producers)
	if int64(i) < rest {
		return each + 1
	}
	return each
}

func (o *options) shares() []int64 {
	shares := make([]int64, o.producers)
	for i := range shares {
		shares[i] = o.share(i)
	}
	return shares
}

// prompt says that records shall go out at once, not wait for others to go with them.
func (o *options) prompt() bool {
	return o.mode == "latency" || o.mode == "first" || o.mode == "topics"
}

// describe begins the results with what was asked for.
func (o *options) describe() results {
	return results{
		"mode": o.mode, "driver": o.peer, "address": o.address, "topic": o.topic, "acks": o.acks, "size": o.size,
		"window": o.unacknowledged() * o.producers,
	}
}

// client is a module that this program was built with, and its version.
func client(path string) string {
	built, ok := debug.ReadBuildInfo()
	if ok {
		for _, module := range built.Deps {
			if module.Path == path {
				return path + " " + module.Version
			}
		}
	}
	return path
}
