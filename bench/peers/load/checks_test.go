package main

import (
	"errors"
	"strings"
	"testing"
)

func TestARecordIsReadAsItWasFilled(t *testing.T) {
	for _, size := range []int{headerSize, 100, 1024, 16384, largestRecord} {
		r := record{producer: 7, sequence: 1<<40 + 3, intended: 1234567890123456789}
		if found, ok := read(r.make(size)); !ok || found != r {
			t.Errorf("size %d: %v, %v", size, found, ok)
		}
	}
}

func TestNoByteOfARecordMayChange(t *testing.T) {
	value := record{producer: 1, sequence: 2, intended: 3}.make(100)
	for at := range value {
		value[at] ^= 0x10
		if _, ok := read(value); ok {
			t.Errorf("byte %d was changed, and nobody saw it", at)
		}
		value[at] ^= 0x10
	}
	for _, other := range [][]byte{nil, value[:23], value[:99], append(value[:100:100], 0)} {
		if _, ok := read(other); ok {
			t.Errorf("%d bytes of a record of 100 are none", len(other))
		}
	}
}

// of makes records of producer 0, of 100 bytes.
func of(sequences ...uint64) [][]byte {
	var made [][]byte
	for _, sequence := range sequences {
		made = append(made, record{sequence: sequence, intended: int64(sequence)}.make(100))
	}
	return made
}

func TestALedgerFindsWhatIsNotAsItShouldBe(t *testing.T) {
	damaged := of(2)[0]
	damaged[50]++
	longer := record{sequence: 2}.make(101)
	foreign := record{producer: 1, sequence: 2}.make(100)
	for name, one := range map[string]struct {
		given                               [][]byte
		missing, wrong, doubled, misordered int64
	}{
		"all":            {of(0, 1, 2), 0, 0, 0, 0},
		"none":           {nil, 3, 0, 0, 0},
		"one is missing": {of(0, 2), 1, 0, 0, 0},
		"one twice":      {of(0, 1, 1, 2), 0, 0, 1, 0},
		"out of order":   {of(1, 0, 2), 0, 0, 0, 1},
		"twice, not all": {of(0, 0, 1), 1, 0, 1, 0},
		"one too many":   {of(0, 1, 2, 3), 0, 1, 0, 0},
		"damaged":        {append(of(0, 1), damaged), 1, 1, 0, 0},
		"longer":         {append(of(0, 1), longer), 1, 1, 0, 0},
		"foreign":        {append(of(0, 1), foreign), 1, 1, 0, 0},
	} {
		l := newLedger([]int64{3}, 100)
		for _, value := range one.given {
			l.take(value)
		}
		if l.missing() != one.missing || l.wrong != one.wrong || l.doubled != one.doubled ||
			l.misordered != one.misordered {
			t.Errorf("%s: %v", name, l.verdict())
		}
		if (l.verdict() == nil) != (name == "all") {
			t.Errorf("%s: %v", name, l.verdict())
		}
	}
}

func TestALedgerOfALaterEndOfItsLastProducer(t *testing.T) {
	l := newLedger([]int64{2}, 100)
	l.add(1 << 30)
	for _, value := range of(0, 1) {
		l.take(value)
	}
	l.take(record{producer: 1}.make(100))
	l.shorten(2)
	if l.missing() != 1 {
		t.Errorf("%d are missing", l.missing())
	}
	l.take(record{producer: 1, sequence: 1}.make(100))
	if err := l.verdict(); err != nil || !l.complete() {
		t.Error(err)
	}
	l.shorten(1)
	if l.verdict() == nil {
		t.Error("a record that was never sent is none too many")
	}
}

func TestSharesAreAllRecords(t *testing.T) {
	o := &options{count: 10, producers: 4, window: windowRecords, size: 100}
	total := int64(0)
	for _, share := range o.shares() {
		total += share
	}
	if total != o.count || o.share(0) != 3 || o.share(3) != 2 {
		t.Error(o.shares())
	}
	if o.unacknowledged() != 2000 {
		t.Error(o.unacknowledged())
	}
	o.size = 16384
	if o.unacknowledged() != 256 {
		t.Error(o.unacknowledged())
	}
}

func TestWordsThatAreRefused(t *testing.T) {
	for words, says := range map[string]string{
		"":                                     "usage",
		"sing --peer kafka --address x:1":      "usage",
		"produce --address x:1":                "no driver",
		"produce --peer kafka":                 "--address",
		"produce --peer kafka --address x:1 y": "unknown word",
		"latency --peer kafka --address x:1 --rate 0":     "--rate",
		"consume --peer kafka --address x:1 --size 23":    "--size",
		"produce --peer kafka --address x:1 --acks maybe": "--acks",
	} {
		if _, err := parse(strings.Fields(words)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", words, err)
		}
	}
}

func TestWhatCannotBeDoneIsNoFailure(t *testing.T) {
	lacking := unsupported("")
	if !errors.As(errors.Join(errors.New("x"), unsupported("no replay")), &lacking) || lacking != "no replay" {
		t.Error(lacking)
	}
}
