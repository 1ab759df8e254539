// Package repl reads a JSON command a line and prints a JSON answer a line; see ../../README.md.
package repl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Record is one record, with bytes in base64.
type Record struct {
	Partition int32   `json:"partition"`
	Offset    int64   `json:"offset"`
	Timestamp int64   `json:"timestamp"`
	Key       []byte  `json:"key"`
	Value     []byte  `json:"value"`
	Headers   [][]any `json:"headers"`
	Event     string  `json:"event,omitempty"`
}

// Header is what Record.Headers holds: a name and a value, which may be nil.
func Header(name string, value []byte) []any { return []any{name, value} }

// Given is a record to produce.
type Given struct {
	Key       []byte               `json:"key"`
	Value     []byte               `json:"value"`
	Headers   [][2]json.RawMessage `json:"headers"`
	Timestamp int64                `json:"timestamp"`
}

// Each calls do with every header.
func (given Given) Each(do func(name string, value []byte)) {
	for _, header := range given.Headers {
		var name string
		var value []byte
		if json.Unmarshal(header[0], &name) != nil || json.Unmarshal(header[1], &value) != nil {
			panic("a header is not a name and a value")
		}
		do(name, value)
	}
}

// Command has the fields of every command.
type Command struct {
	Do         string            `json:"do"`
	Topic      string            `json:"topic"`
	Group      string            `json:"group"`
	Partition  *int32            `json:"partition"`
	Partitions int32             `json:"partitions"`
	Codec      string            `json:"codec"`
	Acks       int               `json:"acks"`
	Idempotent bool              `json:"idempotent"`
	Create     bool              `json:"create"`
	Records    []Given           `json:"records"`
	From       any               `json:"from"`
	At         any               `json:"at"`
	Count      int               `json:"count"`
	Configs    map[string]string `json:"configs"`
	Name       string            `json:"name"`
	Value      string            `json:"value"`
	Before     int64             `json:"before"`
	Offsets    map[int32]int64   `json:"offsets"`
}

// Position turns "begin", "end" or milliseconds into what Kafka calls them: -2, -1, or the time.
func Position(at any) int64 {
	switch at := at.(type) {
	case float64:
		return int64(at)
	case string:
		if at == "begin" {
			return -2
		}
	}
	return -1
}

var output sync.Mutex

// Say prints one line.
func Say(line any) {
	output.Lock()
	defer output.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		panic(err)
	}
}

// Assigned tells which partitions a group's member holds.
func Assigned(partitions []int32) {
	if partitions == nil {
		partitions = []int32{}
	}
	Say(map[string]any{"event": "assigned", "partitions": partitions})
}

// Run obeys until the input ends.
func Run(obey func(*Command) (any, error)) {
	input := json.NewDecoder(os.Stdin)
	for {
		command := new(Command)
		if err := input.Decode(command); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			panic(err)
		}
		answer, err := obey(command)
		if err != nil {
			fmt.Fprintln(os.Stderr, command.Do, err)
			Say(map[string]string{"error": err.Error()})
		} else {
			Say(map[string]any{"ok": answer})
		}
	}
}
