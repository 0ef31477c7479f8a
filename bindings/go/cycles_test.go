package cycles_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	cycles "github.com/runcycles/cycles/bindings/go"
	"github.com/runcycles/cycles/bindings/go/cyclestest"
)

var seed = cycles.Budgets{"tenant:acme": cycles.Tokens(1000)}

var acme = cycles.Subject{Tenant: "acme"}

func tokens(estimate int64) cycles.Call {
	return cycles.Call{Estimate: cycles.Tokens(estimate), Subject: acme}
}

func free(_ context.Context, _ *cycles.Guard) (string, int64, error) { return "done", 0, nil }

func TestAValueIsAnsweredAndItsCostCommitted(t *testing.T) {
	server := cyclestest.Start(t, seed)
	client := server.Client(t)
	got, err := cycles.With(context.Background(), client, tokens(100),
		func(_ context.Context, guard *cycles.Guard) (string, int64, error) {
			if guard.Decision != "ALLOW" || guard.ReservationID == "" || len(guard.AffectedScopes) != 1 {
				t.Errorf("hold: %+v", guard.Hold)
			}
			return "answer", 60, nil
		})
	if got != "answer" || err != nil {
		t.Fatal(got, err)
	}
	server.AssertSpent(t, "tenant:acme", cycles.Tokens(60))
}

func TestRefusalsAreTyped(t *testing.T) {
	client := cyclestest.Start(t, seed).Client(t)
	_, err := cycles.With(context.Background(), client, tokens(1001), free)
	var refused *cycles.Error
	if !errors.Is(err, cycles.ErrBudgetExceeded) || !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if errors.Is(err, cycles.ErrDebtOutstanding) || refused.Status != 409 || refused.RequestID == "" {
		t.Errorf("%+v", refused)
	}
}

func TestBadInputIsRefusedBeforeAnythingIsSent(t *testing.T) {
	server := cyclestest.Start(t, seed)
	// Without a tenant, which those of the server's own making have.
	client, err := cycles.New(cycles.Config{BaseURL: server.BaseURL(), APIKey: "cyc_embedded_acme", NoJournal: true})
	if err != nil {
		t.Fatal(err)
	}
	for field, call := range map[string]cycles.Call{
		"estimate":       tokens(-1),
		"ttl_ms":         {Estimate: cycles.Tokens(1), Subject: acme, TTL: time.Millisecond},
		"unit":           {Estimate: cycles.Amount{Unit: "EURO", Amount: 1}, Subject: acme},
		"subject":        {Estimate: cycles.Tokens(1)},
		"overage_policy": {Estimate: cycles.Tokens(1), Subject: acme, OveragePolicy: "SOMETIMES"},
		"call":           {Estimate: cycles.Tokens(1), Metadata: map[string]any{"f": func() {}}},
	} {
		_, err := cycles.With(context.Background(), client, call, free)
		if !errors.Is(err, cycles.ErrValidation) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if count, _ := server.Count("create_reservation"); count != 0 {
		t.Errorf("%d were sent", count)
	}
	if _, err := cycles.USD("2 cents"); !errors.Is(err, cycles.ErrValidation) {
		t.Error(err)
	}
	if price, err := cycles.USD("0.02"); price != cycles.Microcents(2_000_000) || err != nil {
		t.Error(price, err)
	}
}

func TestAFailureOrAPanicGivesTheHoldBack(t *testing.T) {
	server := cyclestest.Start(t, seed)
	client := server.Client(t)
	broken := errors.New("model fell over")
	_, err := cycles.With(context.Background(), client, tokens(100),
		func(context.Context, *cycles.Guard) (int, int64, error) { return 0, 0, broken })
	if err != broken {
		t.Errorf("the work's own error, as it is: %v", err)
	}
	func() {
		defer func() {
			if recover() != "out of luck" {
				t.Error("the panic goes on")
			}
		}()
		cycles.With(context.Background(), client, tokens(100),
			func(context.Context, *cycles.Guard) (int, int64, error) { panic("out of luck") })
	}()
	if budget := server.Budget(t, "tenant:acme", cycles.TokenCount); budget.Remaining != 1000 {
		t.Errorf("%+v", budget)
	}
}

func TestACancelledContextStopsWaitingAndGivesTheHoldBack(t *testing.T) {
	clock := cyclestest.NewClock()
	server := cyclestest.StartAt(t, seed, clock)
	client := server.Client(t)
	held := int64(60_000)
	server.Inject(t, cyclestest.Fault{Operation: "create_reservation", Kind: "delay", DelayMs: &held})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		server.WaitForFaults(t, "create_reservation")
		cancel()
	}()
	if _, err := client.Reserve(ctx, tokens(100)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	if _, err := client.Flush(context.Background(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestACancelledCommitIsBookedAllTheSame(t *testing.T) {
	server := cyclestest.Start(t, seed)
	client := server.Client(t)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := cycles.With(ctx, client, tokens(100),
		func(context.Context, *cycles.Guard) (int, int64, error) {
			cancel()
			return 0, 70, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	server.AssertSpent(t, "tenant:acme", cycles.Tokens(70))
}

func TestWorkWhoseLeaseIsLostIsCancelledWhereThePolicySaysSo(t *testing.T) {
	clock := cyclestest.NewClock()
	server := cyclestest.StartAt(t, seed, clock)
	client := server.ClientWith(t, cyclestest.Options{Config: map[string]any{"heartbeat_policy": "cancel"}})
	server.Inject(t, cyclestest.Fault{Operation: "extend", Kind: "status", Status: 409, Code: "MAX_EXTENSIONS_EXCEEDED"})
	call := tokens(100)
	call.TTL = 5 * time.Second
	_, err := cycles.With(context.Background(), client, call,
		func(ctx context.Context, guard *cycles.Guard) (int, int64, error) {
			clock.Advance(2 * time.Second)
			server.WaitForFaults(t, "extend")
			notified(t, client)
			clock.Advance(3 * time.Second)
			<-ctx.Done()
			return 0, 0, ctx.Err()
		})
	if !errors.Is(err, cycles.ErrReservationExpired) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if count, _ := server.Count("commit"); count != 0 {
		t.Error("what it used is not known")
	}
}

func TestAStreamWhoseLeaseIsLostCanBeEndedWhileItWaits(t *testing.T) {
	clock := cyclestest.NewClock()
	server := cyclestest.StartAt(t, seed, clock)
	client := server.ClientWith(t, cyclestest.Options{Config: map[string]any{"heartbeat_policy": "cancel"}})
	server.Inject(t, cyclestest.Fault{Operation: "extend", Kind: "status", Status: 410, Code: "RESERVATION_EXPIRED"})
	call := tokens(100)
	call.TTL = 5 * time.Second
	stream, err := client.ReserveStream(context.Background(), call, cycles.StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	clock.Advance(2 * time.Second)
	if err := stream.Lost(ctx); !errors.Is(err, cycles.ErrReservationExpired) {
		t.Error(err)
	}
	if more, err := stream.Proceed(ctx); more || !errors.Is(err, cycles.ErrReservationExpired) {
		t.Error(more, err)
	}
	if _, err := stream.Abort(ctx, "lost"); err != nil {
		t.Error(err)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if err := stream.Lost(ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func notified(t *testing.T, client *cycles.Client) []cycles.Notification {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	batch, err := client.Notifications(ctx)
	if err != nil || len(batch) == 0 || batch[0].Kind != "heartbeat_failure" {
		t.Fatalf("%+v %v", batch, err)
	}
	return batch
}

func TestManyGoroutinesShareOneBudgetExactly(t *testing.T) {
	server := cyclestest.Start(t, seed)
	client := server.Client(t)
	before := runtime.NumGoroutine()
	var group sync.WaitGroup
	var lock sync.Mutex
	done := 0
	for range 200 {
		group.Add(1)
		go func() {
			defer group.Done()
			_, err := cycles.With(context.Background(), client, tokens(10),
				func(context.Context, *cycles.Guard) (int, int64, error) { return 0, 10, nil })
			lock.Lock()
			defer lock.Unlock()
			if err == nil {
				done++
			} else if !errors.Is(err, cycles.ErrBudgetExceeded) {
				t.Error(err)
			}
		}()
	}
	group.Wait()
	if done != 100 {
		t.Errorf("1000 tokens are 100 calls, not %d", done)
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines were left behind", runtime.NumGoroutine()-before)
		}
		runtime.Gosched()
	}
	server.AssertSpent(t, "tenant:acme", cycles.Tokens(1000))
}

func TestCallsThatWaitOccupyNoThread(t *testing.T) {
	const calls = 100
	clock := cyclestest.NewClock()
	server := cyclestest.StartAt(t, seed, clock)
	client := server.Client(t)
	held := int64(1_000)
	server.Inject(t, cyclestest.Fault{Operation: "create_reservation", Kind: "delay", DelayMs: &held, Times: calls})
	var group sync.WaitGroup
	for range calls {
		group.Add(1)
		go func() {
			defer group.Done()
			if _, err := cycles.With(context.Background(), client, tokens(10), free); err != nil {
				t.Error(err)
			}
		}()
	}
	server.WaitForFaults(t, "create_reservation")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stacks := make([]byte, 4<<20)
		all := string(stacks[:runtime.Stack(stacks, true)])
		// A goroutine that is inside C has a thread of its own.
		if strings.Count(all, "native.wait(") == calls && !strings.Contains(all, "_Cfunc_cycles") {
			break
		}
		if time.Now().After(deadline) {
			t.Error("calls that wait are inside C")
			break
		}
	}
	clock.Advance(time.Second)
	group.Wait()
}

func TestARemoteClientStandsOnAClock(t *testing.T) {
	clock := cyclestest.NewClock()
	server := cyclestest.StartAt(t, seed, clock)
	client, err := clock.New(cycles.Config{BaseURL: server.BaseURL(), APIKey: "cyc_embedded_acme", NoJournal: true})
	if err != nil {
		t.Fatal(err)
	}
	server.Inject(t, cyclestest.Fault{Operation: "commit", Kind: "drop_after"})
	if _, err := cycles.With(context.Background(), client, tokens(10), free); err != nil {
		t.Fatal(err)
	}
	clock.Advance(500 * time.Millisecond)
	server.WaitFor(t, "commit", 2)
}

func TestStreamsTakeACostFunction(t *testing.T) {
	server := cyclestest.Start(t, seed)
	client := server.Client(t)
	stream, err := client.ReserveStream(context.Background(), tokens(100), cycles.StreamOptions{
		OnLimit: cycles.Cut,
		Cost:    func(usage cycles.Usage) int64 { return usage.TokensOutput * 2 },
	})
	if err != nil {
		t.Fatal(err)
	}
	pieces := 0
	for {
		goes, err := stream.Proceed(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !goes {
			break
		}
		stream.AddOutputTokens(20)
		pieces++
	}
	settled, err := stream.Finish(context.Background())
	if err != nil || settled.Outcome != "committed" || settled.Response.Charged.Amount != 120 || pieces != 3 {
		t.Fatalf("%+v %v %d", settled, err, pieces)
	}
	again, err := stream.Finish(context.Background())
	if err != nil || again.Outcome != "already_settled" {
		t.Errorf("%+v %v", again, err)
	}
}

func TestAClosedClientSaysSo(t *testing.T) {
	client, err := cycles.Embedded(seed)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if left, err := client.Close(context.Background(), time.Second); left != 0 || err != nil {
			t.Fatal(left, err)
		}
	}
	_, err = cycles.With(context.Background(), client, tokens(1), free)
	if !errors.Is(err, cycles.ErrConfig) || !strings.Contains(err.Error(), "closed") {
		t.Error(err)
	}
	_, err = client.Send(context.Background(), cycles.Request{Operation: "get_balances"})
	if !errors.Is(err, cycles.ErrConfig) {
		t.Error(err)
	}
}

func TestSettingsAreCheckedWhenTheClientIsMade(t *testing.T) {
	for field, config := range map[string]cycles.Config{
		"base_url":       {APIKey: "k"},
		"api_key":        {BaseURL: "http://localhost:1"},
		"on_unreachable": {BaseURL: "http://localhost:1", APIKey: "k", OnUnreachable: "maybe"},
	} {
		if _, err := cycles.New(config); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for says, seed := range map[string]cycles.Seed{
		"tenant:acme": cycles.SeedText("budgets: 3"),
		"no budgets":  cycles.Budgets{},
		`"acme"`:      cycles.Budgets{"acme": cycles.Tokens(1)},
		"-1":          cycles.Budgets{"tenant:acme": cycles.Tokens(-1)},
	} {
		_, err := cycles.Embedded(seed)
		if !errors.Is(err, cycles.ErrConfig) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", seed, err)
		}
	}
	if _, err := cycles.Embedded(nil); !errors.Is(err, cycles.ErrValidation) {
		t.Error(err)
	}
}

func TestAForgottenGuardGivesItsHoldBack(t *testing.T) {
	server := cyclestest.Start(t, seed)
	client := server.Client(t)
	func() {
		if _, err := client.Reserve(context.Background(), tokens(100)); err != nil {
			t.Fatal(err)
		}
	}()
	for range 100 {
		runtime.GC()
		if count, _ := server.Count("release"); count == 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("nobody released it")
}

func TestTenThousandCallsKeepTheirMemory(t *testing.T) {
	client, err := cycles.Embedded(cycles.Budgets{"tenant:acme": cycles.Tokens(100_000_000)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(context.Background(), time.Second)
	call := func(times int) {
		for range times {
			if _, err := cycles.With(context.Background(), client, tokens(1), free); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The authority keeps what has ended for a while, up to a bound of its own.
	call(2_000)
	before := residentKB(t)
	call(10_000)
	if grown := residentKB(t) - before; grown > 64*1024 {
		t.Errorf("10,000 calls took %d KB", grown)
	}
}

func residentKB(t *testing.T) int {
	t.Helper()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc to read memory from")
	}
	pages := 0
	for _, digit := range strings.Fields(string(text))[1] {
		pages = pages*10 + int(digit-'0')
	}
	return pages * os.Getpagesize() / 1024
}

func TestAServerOfWhichOnlyTheAddressIsKeptGoesOn(t *testing.T) {
	address := func() string {
		server, err := cyclestest.NewServer(seed)
		if err != nil {
			t.Fatal(err)
		}
		return server.BaseURL()
	}()
	client, err := cycles.New(cycles.Config{BaseURL: address, APIKey: "cyc_embedded_acme", NoJournal: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		runtime.GC()
		if _, err := cycles.With(context.Background(), client, tokens(1), free); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Close(context.Background(), time.Second); err != nil {
		t.Fatal(err)
	}
}
