package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// A record: who sent it, its number there from 0, when it should have been sent, a sum over these and the
// length, and then bytes out of a fixed noise that no codec makes smaller. Where in the noise they begin
// follows from the sum, so that bytes of another record are not taken for those of this one.
type record struct {
	producer uint32
	sequence uint64
	intended int64 // nanoseconds since 1970
}

const (
	headerSize    = 24
	largestRecord = 1 << 20
	noisePlaces   = 4096
)

var noise = makeNoise()

func makeNoise() []byte {
	made := make([]byte, noisePlaces+largestRecord)
	source := rand.NewChaCha8([32]byte{'p', 'e', 'e', 'r', 's'})
	source.Read(made)
	return made
}

// fill writes the record over the whole of value.
func (r record) fill(value []byte) {
	binary.LittleEndian.PutUint32(value[0:], r.producer)
	binary.LittleEndian.PutUint64(value[4:], r.sequence)
	binary.LittleEndian.PutUint64(value[12:], uint64(r.intended))
	sum := r.sum(len(value))
	binary.LittleEndian.PutUint32(value[20:], sum)
	copy(value[headerSize:], noise[sum%noisePlaces:])
}

func (r record) make(size int) []byte {
	value := make([]byte, size)
	r.fill(value)
	return value
}

// read is false for anything that fill did not write.
func read(value []byte) (record, bool) {
	if len(value) < headerSize || len(value) > largestRecord {
		return record{}, false
	}
	r := record{
		producer: binary.LittleEndian.Uint32(value[0:]),
		sequence: binary.LittleEndian.Uint64(value[4:]),
		intended: int64(binary.LittleEndian.Uint64(value[12:])),
	}
	sum := binary.LittleEndian.Uint32(value[20:])
	from := int(sum % noisePlaces)
	return r, sum == r.sum(len(value)) &&
		bytes.Equal(value[headerSize:], noise[from:from+len(value)-headerSize])
}

// sum mixes the words as splitmix64 does.
func (r record) sum(size int) uint32 {
	word := r.sequence
	for _, next := range [...]uint64{uint64(r.producer), uint64(r.intended), uint64(size)} {
		word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9
		word = (word ^ (word >> 27)) * 0x94d049bb133111eb
		word = word ^ (word >> 31) ^ next*0x9e3779b97f4a7c15
	}
	return uint32(word>>32) ^ uint32(word)
}
