package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// A schedule is open-loop: record i is due at start + i/rate, however late those before it were.
type schedule struct {
	start time.Time
	rate  float64
}

func (s schedule) due(i int64) time.Time {
	return s.start.Add(time.Duration(float64(i) / s.rate * float64(time.Second)))
}

// Shorter sleeps than this cost more of the CPU than sending does, and it is the client's as well.
const shortestSleep = 100 * time.Microsecond

// sleepUntil is exact to some ten microseconds where the runtime's timers may be a millisecond late, or late by
// shortestSleep where records are due more often than that. The calling goroutine must have its thread to itself
// (exactSleep).
func sleepUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		request := unix.NsecToTimespec(int64(max(left, shortestSleep)))
		unix.Nanosleep(&request, nil)
	}
}

// exactSleep takes the kernel's slack of 50 us from the sleeps of this thread, and lets it go before others where that
// is allowed: a schedule that waits for the CPU would charge the server for it.
func exactSleep() error {
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20)
	return unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
}
