package main

import "fmt"

// A ledger knows which records there must be, and crosses them off. Any order between producers is right;
// the records of one must come in theirs.
type ledger struct {
	pages      []page
	size       int
	received   int64 // records that were right and came for the first time
	bytes      int64
	wrong      int64 // other bytes, another length, or a record that nobody was to send
	doubled    int64
	misordered int64
	expected   int64
}

// A page is one producer's.
type page struct {
	count, next uint64
	seen        []uint64
}

// newLedger expects so many records of each producer, of one size.
func newLedger(counts []int64, size int) *ledger {
	l := &ledger{size: size}
	for _, count := range counts {
		l.add(count)
	}
	return l
}

// add expects another producer; its number is the next one.
func (l *ledger) add(count int64) {
	l.pages = append(l.pages, page{count: uint64(count)})
	l.expected += count
}

// shorten says how many records the newest producer did send.
func (l *ledger) shorten(count int64) {
	last := &l.pages[len(l.pages)-1]
	l.expected -= int64(last.count) - count
	last.count = uint64(count)
}

// take is false where the record does not count.
func (l *ledger) take(value []byte) (record, bool) {
	r, ok := read(value)
	if !ok || len(value) != l.size || int(r.producer) >= len(l.pages) || r.sequence >= l.pages[r.producer].count {
		l.wrong++
		return r, false
	}
	own := &l.pages[r.producer]
	word, bit := own.word(r.sequence), uint64(1)<<(r.sequence%64)
	if *word&bit != 0 {
		l.doubled++
		return r, false
	}
	if r.sequence < own.next {
		l.misordered++
	}
	*word |= bit
	own.next = r.sequence + 1
	l.received++
	l.bytes += int64(len(value))
	return r, true
}

func (p *page) word(sequence uint64) *uint64 {
	at := int(sequence / 64)
	if at >= len(p.seen) {
		p.seen = append(p.seen, make([]uint64, at+1-len(p.seen))...)
	}
	return &p.seen[at]
}

func (l *ledger) missing() int64 { return l.expected - l.received }

func (l *ledger) complete() bool { return l.received == l.expected }

// verdict is nil when all that was expected came once, as it was sent and in order, and nothing else did.
func (l *ledger) verdict() error {
	if l.missing()+l.wrong+l.doubled+l.misordered == 0 {
		return nil
	}
	return fmt.Errorf("of %d records %d are missing, %d wrong, %d came twice, %d out of order",
		l.expected, l.missing(), l.wrong, l.doubled, l.misordered)
}

func (l *ledger) report(found results) {
	found["records"], found["bytes"] = l.received, l.bytes
	found["missing"], found["wrong"] = l.missing(), l.wrong
	found["doubled"], found["misordered"] = l.doubled, l.misordered
}
