// Package cyclestest is a real authority for tests: an HTTP server on a free
// port over a fresh engine, with faults and a clock that the test moves.
//
//	server := cyclestest.Start(t, cycles.Budgets{"tenant:acme": cycles.Tokens(1000)})
//	client := server.Client(t)
package cyclestest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	cycles "github.com/runcycles/cycles/bindings/go"
	"github.com/runcycles/cycles/bindings/go/internal/native"
)

// Clock moves only when told. A server's clients share it.
type Clock struct{ native *native.Clock }

// NewClock makes a clock that stands at 1,800,000,000,000 ms, Unix time.
func NewClock() *Clock { return &Clock{native.NewClock(1_800_000_000_000)} }

// Advance moves the time forward and wakes whoever waited for a moment up to it.
func (c *Clock) Advance(by time.Duration) { c.native.Advance(uint64(max(by.Milliseconds(), 0))) }

// New makes a client of a remote authority on the clock.
func (c *Clock) New(config cycles.Config) (*cycles.Client, error) {
	return cycles.NewAt(config, c.native)
}

// Now is the time.
func (c *Clock) Now() time.Time { return time.UnixMilli(c.native.NowMs()) }

// Server is an authority for one test.
type Server struct{ native *native.Server }

// NewServer starts a server outside of a test, for instance in TestMain; it stops
// with [Server.Stop], or the process.
func NewServer(seed cycles.Seed) (*Server, error) { return newServer(seed, nil) }

func newServer(seed cycles.Seed, clock *native.Clock) (*Server, error) {
	text, err := seed.Document()
	if err != nil {
		return nil, err
	}
	started, err := native.StartServer(text, clock)
	return &Server{started}, typed(err)
}

// Stop stops listening; says what broke the protocol's contract, if something did.
func (s *Server) Stop() error { return typed(s.native.Stop()) }

// Start starts a server that holds seed. What broke the protocol's contract fails
// the test when it ends.
func Start(t testing.TB, seed cycles.Seed) *Server {
	t.Helper()
	return start(t, seed, nil)
}

// StartAt is [Start] on a clock of the test's.
func StartAt(t testing.TB, seed cycles.Seed, clock *Clock) *Server {
	t.Helper()
	return start(t, seed, clock.native)
}

func start(t testing.TB, seed cycles.Seed, clock *native.Clock) *Server {
	t.Helper()
	server, err := newServer(seed, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// BaseURL is where it listens.
func (s *Server) BaseURL() string { return s.native.BaseURL() }

// APIKey is the secret of the seed's key called name, or of its first.
func (s *Server) APIKey(name string) (string, error) {
	key, err := s.native.APIKey(name)
	return key, typed(err)
}

// Options say how a test's client reaches the server.
type Options struct {
	// Key names a key of the seed; the first unless set.
	Key string
	// InProcess reaches the very same engine without HTTP.
	InProcess bool
	// Config is the client's; BaseURL and APIKey are filled in.
	Config map[string]any
}

// Client is a client for this server, on its clock, closed when the test ends.
func (s *Server) Client(t testing.TB) *cycles.Client {
	t.Helper()
	return s.ClientWith(t, Options{})
}

// ClientWith is [Server.Client] with options.
func (s *Server) ClientWith(t testing.TB, options Options) *cycles.Client {
	t.Helper()
	transport, config := "http", "{}"
	if options.InProcess {
		transport = "local"
	}
	if options.Config != nil {
		text, err := json.Marshal(options.Config)
		if err != nil {
			t.Fatal(err)
		}
		config = string(text)
	}
	made, err := s.native.Client(options.Key, transport, config)
	if err != nil {
		t.Fatal(typed(err))
	}
	client := cycles.OfNative(made)
	t.Cleanup(func() { client.Close(context.Background(), 5*time.Second) })
	return client
}

// Fault is what goes wrong with coming calls of an operation (docs/testing.md).
type Fault struct {
	Operation string `json:"operation"`
	// Kind is drop_before, drop_after, delay, status or malformed.
	Kind         string `json:"kind"`
	Times        int    `json:"times,omitempty"`
	Skip         int    `json:"skip,omitempty"`
	Status       int    `json:"status,omitempty"`
	Code         string `json:"code,omitempty"`
	RetryAfterMs *int64 `json:"retry_after_ms,omitempty"`
	DelayMs      *int64 `json:"delay_ms,omitempty"`
	Body         string `json:"body,omitempty"`
}

// Inject lets coming calls go wrong.
func (s *Server) Inject(t testing.TB, fault Fault) {
	t.Helper()
	text, err := json.Marshal(fault)
	if err != nil {
		t.Fatal(err)
	}
	s.InjectJSON(t, string(text))
}

// InjectJSON is [Server.Inject] in the words of docs/testing.md.
func (s *Server) InjectJSON(t testing.TB, fault string) {
	t.Helper()
	if err := s.native.Inject(fault); err != nil {
		t.Fatal(typed(err))
	}
}

// PendingFaults are those that have not fired, as a JSON list.
func (s *Server) PendingFaults() string { return s.native.PendingFaults() }

// Count is how often the authority has answered operation successfully.
func (s *Server) Count(operation string) (int64, error) {
	count, err := s.native.Count(operation)
	return count, typed(err)
}

// WaitFor waits until the authority has answered operation successfully count
// times in all, at most five seconds.
func (s *Server) WaitFor(t testing.TB, operation string, count int) {
	t.Helper()
	if err := s.native.WaitFor(context.Background(), operation, count, 5_000); err != nil {
		t.Fatal(typed(err))
	}
}

// WaitForFaults waits until all faults of operation have fired, at most five
// seconds.
func (s *Server) WaitForFaults(t testing.TB, operation string) {
	t.Helper()
	if err := s.native.WaitForFaults(context.Background(), operation, 5_000); err != nil {
		t.Fatal(typed(err))
	}
}

// Budget is what a budget holds now.
type Budget struct {
	Allocated      int64  `json:"allocated"`
	Remaining      int64  `json:"remaining"`
	Reserved       int64  `json:"reserved"`
	Spent          int64  `json:"spent"`
	Debt           int64  `json:"debt"`
	OverdraftLimit int64  `json:"overdraft_limit"`
	IsOverLimit    bool   `json:"is_over_limit"`
	Status         string `json:"status"`
}

// Budget reads the budget of scope in unit.
func (s *Server) Budget(t testing.TB, scope string, unit cycles.Unit) Budget {
	t.Helper()
	text, err := s.native.Budget(scope, string(unit))
	if err != nil {
		t.Fatal(typed(err))
	}
	var budget Budget
	if err := json.Unmarshal([]byte(text), &budget); err != nil {
		t.Fatal(err)
	}
	return budget
}

// AssertSpent fails the test unless scope has spent so much of unit.
func (s *Server) AssertSpent(t testing.TB, scope string, want cycles.Amount) {
	t.Helper()
	if got := s.Budget(t, scope, want.Unit); got.Spent != want.Amount {
		t.Errorf("%s has spent %d %s and not %d (remaining %d, reserved %d, debt %d)",
			scope, got.Spent, want.Unit, want.Amount, got.Remaining, got.Reserved, got.Debt)
	}
}

func typed(err error) error {
	var report native.Failure
	if !errors.As(err, &report) {
		return err
	}
	typed := new(cycles.Error)
	if json.Unmarshal([]byte(report), typed) != nil {
		return err
	}
	return typed
}
