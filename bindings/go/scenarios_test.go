package cycles_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	cycles "github.com/runcycles/cycles/bindings/go"
	"github.com/runcycles/cycles/bindings/go/cyclestest"
)

const suite = "../../tests"

type document = map[string]any

// The behaviour suite, which every language runs (docs/testing.md).
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(suite, "scenarios", "*.yaml"))
	if err != nil || len(files) < 12 {
		t.Fatalf("the behaviour suite has at least 12 scenarios: %v %v", files, err)
	}
	skipped := exceptions(t)
	for _, file := range files {
		id := strings.TrimSuffix(filepath.Base(file), ".yaml")
		for _, transport := range []string{"http", "local"} {
			t.Run(id+"/"+transport, func(t *testing.T) {
				if reason, ok := skipped[id]; ok {
					fmt.Printf("SKIP %s: %s\n", id, reason)
					t.Skip(reason)
				}
				runScenario(t, file, id, transport)
			})
		}
	}
}

func exceptions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(suite, "parity.toml"))
	if err != nil {
		t.Fatal(err)
	}
	// Three texts per table; the repository's lint checks the file itself.
	found := map[string]string{}
	for _, table := range strings.Split(string(text), "\n[[exception]]")[1:] {
		fields := map[string]string{}
		for _, line := range strings.Split(table, "\n") {
			if name, value, ok := strings.Cut(line, " = "); ok {
				fields[name] = strings.Trim(value, `"`)
			}
		}
		if fields["language"] == "go" {
			found[fields["scenario"]] = fields["reason"]
		}
	}
	return found
}

type scenario struct {
	t       *testing.T
	server  *cyclestest.Server
	clock   *cyclestest.Clock
	local   bool
	clients map[string]*cycles.Client
	saved   document
}

func runScenario(t *testing.T, file, id, transport string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var script document
	if err := yaml.Unmarshal(text, &script); err != nil {
		t.Fatal(err)
	}
	only(t, script, "id", "title", "seed", "steps")
	if script["id"] != id {
		t.Fatalf("a scenario's id is its file's name: %v", script["id"])
	}
	seed, err := json.Marshal(script["seed"])
	if err != nil {
		t.Fatal(err)
	}
	clock := cyclestest.NewClock()
	run := &scenario{
		t: t, server: cyclestest.StartAt(t, cycles.SeedText(seed), clock), clock: clock,
		local: transport == "local", clients: map[string]*cycles.Client{}, saved: document{},
	}
	run.steps(context.Background(), script["steps"].([]any))
	if pending := run.server.PendingFaults(); pending != "[]" {
		t.Errorf("faults have not fired: %s", pending)
	}
}

// only fails on a key that nobody reads: a test that cannot fail.
func only(t *testing.T, mapping document, known ...string) {
	t.Helper()
	for name := range mapping {
		if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+name+" ") {
			t.Fatalf("unknown key %q in %v", name, mapping)
		}
	}
}

func (s *scenario) client(key any) *cycles.Client {
	name, _ := key.(string)
	if s.clients[name] == nil {
		options := cyclestest.Options{Key: name, InProcess: s.local}
		s.clients[name] = s.server.ClientWith(s.t, options)
	}
	return s.clients[name]
}

func (s *scenario) steps(ctx context.Context, steps []any) {
	s.t.Helper()
	for _, step := range steps {
		s.step(ctx, step.(document))
	}
}

func (s *scenario) step(ctx context.Context, step document) {
	s.t.Helper()
	expect, _ := step["expect"].(document)
	switch {
	case step["guard"] != nil:
		only(s.t, step, "guard", "expect")
		s.guard(ctx, step["guard"].(document), expect)
	case step["stream"] != nil:
		only(s.t, step, "stream", "expect")
		s.stream(ctx, step["stream"].(document), expect)
	case step["call"] != nil:
		only(s.t, step, "call", "expect", "save")
		s.call(ctx, step["call"].(document), expect, step["save"])
	case step["advance_ms"] != nil:
		only(s.t, step, "advance_ms")
		s.clock.Advance(time.Duration(step["advance_ms"].(int)) * time.Millisecond)
	case step["wait_for"] != nil:
		only(s.t, step, "wait_for")
		wait := step["wait_for"].(document)
		only(s.t, wait, "operation", "count")
		s.server.WaitFor(s.t, wait["operation"].(string), wait["count"].(int))
	case step["fault"] != nil:
		only(s.t, step, "fault")
		s.server.InjectJSON(s.t, encode(s.t, step["fault"]))
	case step["wait_for_faults"] != nil:
		only(s.t, step, "wait_for_faults")
		s.server.WaitForFaults(s.t, step["wait_for_faults"].(string))
	case step["budgets"] != nil:
		only(s.t, step, "budgets")
		for _, budget := range step["budgets"].([]any) {
			s.budget(budget.(document))
		}
	default:
		s.t.Fatalf("a step that this runner does not know: %v", step)
	}
}

// Raised is what a guarded function of the suite fails with.
type raised string

func (r raised) Error() string { return string(r) }

func (s *scenario) guard(ctx context.Context, step, expect document) {
	s.t.Helper()
	only(s.t, step, "key", "request", "actual", "raises", "during")
	seen := document{"ran": false}
	call := s.request(step["request"])
	value, err := cycles.With(ctx, s.client(step["key"]), call,
		func(ctx context.Context, guard *cycles.Guard) (string, int64, error) {
			seen["ran"], seen["decision"] = true, guard.Decision
			if during, ok := step["during"].([]any); ok {
				s.steps(ctx, during)
			}
			if message, ok := step["raises"].(string); ok {
				return "", 0, raised(message)
			}
			actual, ok := step["actual"].(int)
			if !ok {
				return "result", call.Estimate.Amount, nil
			}
			return "result", int64(actual), nil
		})
	var refused *cycles.Error
	var failed raised
	var evaluated *cycles.DryRunError
	switch {
	case errors.As(err, &failed):
		seen["raised"] = string(failed)
	case errors.As(err, &evaluated):
		seen["decision"] = evaluated.Hold.Decision
	case errors.As(err, &refused):
		seen["error"] = code(refused)
	case err != nil:
		s.t.Fatal(err)
	case value != "result":
		s.t.Fatalf("the result was lost: %q", value)
	}
	s.compare(seen, expect, document{"ran": true}, "decision")
}

func (s *scenario) stream(ctx context.Context, step, expect document) {
	s.t.Helper()
	only(s.t, step, "key", "request", "on_limit", "extend_by", "pieces", "actual", "raises", "during")
	options := cycles.StreamOptions{}
	if limit, ok := step["on_limit"].(string); ok {
		options.OnLimit = cycles.OnLimit(limit)
	}
	if by, ok := step["extend_by"].(int); ok {
		options.ExtendBy = int64(by)
	}
	pieces, _ := step["pieces"].([]any)
	seen := document{"cut": false, "pieces": 0}
	usual := document{"cut": false, "pieces": len(pieces)}
	stream, err := s.client(step["key"]).ReserveStream(ctx, s.request(step["request"]), options)
	var refused *cycles.Error
	if errors.As(err, &refused) {
		seen["error"], usual["pieces"] = code(refused), 0
	} else if err != nil {
		s.t.Fatal(err)
	} else {
		flowed := 0
		for _, tokens := range pieces {
			goes, err := stream.Proceed(ctx)
			if errors.As(err, &refused) {
				seen["refused"] = code(refused)
			} else if err != nil {
				s.t.Fatal(err)
			}
			if !goes {
				break
			}
			stream.AddOutputTokens(int64(tokens.(int)))
			flowed++
		}
		if during, ok := step["during"].([]any); ok {
			s.steps(stream.Within(ctx), during)
		}
		if actual, ok := step["actual"].(int); ok {
			stream.SetActual(int64(actual))
		}
		hold, err := stream.Refresh()
		if err != nil {
			s.t.Fatal(err)
		}
		seen["cut"], seen["pieces"] = hold.IsCut, flowed
		if message, ok := step["raises"].(string); ok {
			seen["raised"] = message
			_, err = stream.Abort(ctx, message)
		} else {
			_, err = stream.Finish(ctx)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	s.compare(seen, expect, usual, "refused")
}

func code(err *cycles.Error) string {
	if err.Kind == cycles.KindValidation {
		return "VALIDATION"
	}
	return err.Code
}

func (s *scenario) compare(seen, expect, usual document, also ...string) {
	s.t.Helper()
	known := append([]string{"error", "raised"}, also...)
	for name := range usual {
		known = append(known, name)
	}
	only(s.t, expect, known...)
	wanted := document{}
	for name, value := range usual {
		wanted[name] = value
	}
	for name, value := range expect {
		wanted[name] = value
	}
	for _, outcome := range []string{"error", "raised", "refused"} {
		if seen[outcome] != nil && wanted[outcome] == nil {
			s.t.Fatalf("unexpected %s: %v", outcome, seen[outcome])
		}
	}
	for name, value := range wanted {
		if !reflect.DeepEqual(seen[name], value) {
			s.t.Fatalf("%s: expected %v, saw %v", name, value, seen[name])
		}
	}
}

// request is a guard's request in the words of this package.
func (s *scenario) request(step any) cycles.Call {
	s.t.Helper()
	request := s.substitute(step).(document)
	only(s.t, request, "subject", "action", "estimate", "ttl_ms", "grace_period_ms",
		"overage_policy", "dry_run", "nested")
	var call struct {
		Estimate      cycles.Amount
		Subject       cycles.Subject
		Action        cycles.Action
		TTLMs         int64                `json:"ttl_ms"`
		GracePeriodMs int64                `json:"grace_period_ms"`
		OveragePolicy cycles.OveragePolicy `json:"overage_policy"`
		DryRun        bool                 `json:"dry_run"`
		Nested        cycles.Nested
	}
	if err := json.Unmarshal([]byte(encode(s.t, request)), &call); err != nil {
		s.t.Fatal(err)
	}
	return cycles.Call{
		Estimate: call.Estimate, Subject: call.Subject, Action: call.Action,
		TTL:           time.Duration(call.TTLMs) * time.Millisecond,
		GracePeriod:   time.Duration(call.GracePeriodMs) * time.Millisecond,
		OveragePolicy: call.OveragePolicy, DryRun: call.DryRun, Nested: call.Nested,
	}
}

func (s *scenario) call(ctx context.Context, call, expect document, save any) {
	s.t.Helper()
	only(s.t, call, "key", "operation", "reservation_id", "query", "body")
	only(s.t, expect, "status", "body")
	call = s.substitute(call).(document)
	request := cycles.Request{Operation: call["operation"].(string), Body: call["body"]}
	request.ReservationID, _ = call["reservation_id"].(string)
	if query, ok := call["query"].(document); ok {
		request.Query = map[string]string{}
		for name, value := range query {
			request.Query[name] = fmt.Sprint(value)
		}
	}
	answer, err := s.client(call["key"]).Send(ctx, request)
	if err != nil {
		s.t.Fatal(err)
	}
	if status, ok := expect["status"]; ok && status != answer.Status {
		s.t.Fatalf("status: expected %v, saw %d %s", status, answer.Status, answer.Body)
	}
	var body any
	if err := json.Unmarshal(answer.Body, &body); err != nil {
		s.t.Fatalf("%v: %s", err, answer.Body)
	}
	if expected, ok := expect["body"]; ok {
		var plain any
		if err := json.Unmarshal([]byte(encode(s.t, s.substitute(expected))), &plain); err != nil {
			s.t.Fatal(err)
		}
		s.contains(body, plain, "body")
	}
	saves, _ := save.(document)
	for name, path := range saves {
		value := body
		for _, part := range strings.Split(path.(string), ".") {
			value = value.(document)[part]
		}
		s.saved[name] = value
	}
}

func (s *scenario) contains(seen, expected any, place string) {
	s.t.Helper()
	switch expected := expected.(type) {
	case document:
		for name, value := range expected {
			fields, _ := seen.(document)
			if _, ok := fields[name]; !ok {
				s.t.Fatalf("%s.%s is missing in %v", place, name, seen)
			}
			s.contains(fields[name], value, place+"."+name)
		}
	case []any:
		items, _ := seen.([]any)
		if len(items) != len(expected) {
			s.t.Fatalf("%s: expected %v, saw %v", place, expected, seen)
		}
		for index, value := range expected {
			s.contains(items[index], value, fmt.Sprintf("%s[%d]", place, index))
		}
	default:
		if !reflect.DeepEqual(seen, expected) {
			s.t.Fatalf("%s: expected %v, saw %v", place, expected, seen)
		}
	}
}

func (s *scenario) budget(expected document) {
	s.t.Helper()
	budget := s.server.Budget(s.t, expected["scope"].(string), cycles.Unit(expected["unit"].(string)))
	var seen, wanted document
	for from, into := range map[string]*document{encode(s.t, budget): &seen, encode(s.t, expected): &wanted} {
		if err := json.Unmarshal([]byte(from), into); err != nil {
			s.t.Fatal(err)
		}
	}
	delete(wanted, "scope")
	delete(wanted, "unit")
	s.contains(seen, any(wanted), "budget "+expected["scope"].(string))
}

// substitute replaces each string `$name` by what was saved under the name.
func (s *scenario) substitute(value any) any {
	switch value := value.(type) {
	case string:
		if saved, ok := s.saved[strings.TrimPrefix(value, "$")]; ok && strings.HasPrefix(value, "$") {
			return saved
		}
		return value
	case []any:
		items := make([]any, len(value))
		for index, item := range value {
			items[index] = s.substitute(item)
		}
		return items
	case document:
		fields := document{}
		for name, field := range value {
			fields[name] = s.substitute(field)
		}
		return fields
	default:
		return value
	}
}

func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
