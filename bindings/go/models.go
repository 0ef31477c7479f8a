package cycles

import (
	"time"

	"github.com/runcycles/cycles/bindings/go/internal/native"
)

// Unit is what is counted.
type Unit string

// The protocol's units. A microcent is 10⁻⁸ US dollars.
const (
	USDMicrocents Unit = "USD_MICROCENTS"
	TokenCount    Unit = "TOKENS"
	Credits       Unit = "CREDITS"
	RiskPoints    Unit = "RISK_POINTS"
)

// Amount is a whole number of a unit.
type Amount struct {
	Unit   Unit  `json:"unit"`
	Amount int64 `json:"amount"`
}

// Tokens is an amount of tokens.
func Tokens(amount int64) Amount { return Amount{TokenCount, amount} }

// Microcents is an amount of USD microcents.
func Microcents(amount int64) Amount { return Amount{USDMicrocents, amount} }

// USD reads a decimal amount of US dollars, like "0.02", exactly.
func USD(dollars string) (Amount, error) {
	amount, err := native.Microcents(dollars)
	return Microcents(amount), typed(err)
}

// Subject says who spends. Levels that are left out come from the client's
// configuration.
type Subject struct {
	Tenant     string            `json:"tenant,omitempty"`
	Workspace  string            `json:"workspace,omitempty"`
	App        string            `json:"app,omitempty"`
	Workflow   string            `json:"workflow,omitempty"`
	Agent      string            `json:"agent,omitempty"`
	Toolset    string            `json:"toolset,omitempty"`
	Dimensions map[string]string `json:"dimensions,omitempty"`
}

// Action says what the spend is for.
type Action struct {
	// Kind is category and operation, like "llm.completion"; "unknown" unless set.
	Kind string `json:"kind,omitempty"`
	// Name is provider, model or tool; "unknown" unless set.
	Name string   `json:"name,omitempty"`
	Tags []string `json:"tags,omitempty"`
}

// OveragePolicy says what happens to a commit above its estimate.
type OveragePolicy string

// The protocol's overage policies.
const (
	Reject             OveragePolicy = "REJECT"
	AllowIfAvailable   OveragePolicy = "ALLOW_IF_AVAILABLE"
	AllowWithOverdraft OveragePolicy = "ALLOW_WITH_OVERDRAFT"
)

// Nested says who pays for a guarded call inside another.
type Nested string

// Who pays for an inner call; the client's setting unless it says so.
const (
	// NestedOwn reserves for itself.
	NestedOwn Nested = "own"
	// NestedInherit draws from the outer call's hold.
	NestedInherit Nested = "inherit"
	// NestedForbid is refused.
	NestedForbid Nested = "forbid"
)

// Call says what a guarded call reserves. Only Estimate is required.
type Call struct {
	Estimate Amount
	Subject  Subject
	Action   Action
	// TTL is how long the lease lasts; the heartbeat extends it. 60 s unless set.
	TTL time.Duration
	// GracePeriod is how long after its lease a commit is still taken.
	GracePeriod   time.Duration
	OveragePolicy OveragePolicy
	DryRun        bool
	Metadata      map[string]any
	// IdempotencyKey is random unless set.
	IdempotencyKey string
	Nested         Nested
}

type callDocument struct {
	Estimate       Amount         `json:"estimate"`
	Subject        Subject        `json:"subject"`
	Action         Action         `json:"action"`
	TTLMs          *int64         `json:"ttl_ms,omitempty"`
	GracePeriodMs  *int64         `json:"grace_period_ms,omitempty"`
	OveragePolicy  OveragePolicy  `json:"overage_policy,omitempty"`
	DryRun         bool           `json:"dry_run,omitempty"`
	Metadata       map[string]any `json:"metadata,omitempty"`
	IdempotencyKey string         `json:"idempotency_key,omitempty"`
	Nested         Nested         `json:"nested,omitempty"`
}

func (c Call) document() (string, error) {
	return encoded("call", callDocument{
		c.Estimate, c.Subject, c.Action, milliseconds(c.TTL), milliseconds(c.GracePeriod),
		c.OveragePolicy, c.DryRun, c.Metadata, c.IdempotencyKey, c.Nested,
	})
}

func milliseconds(d time.Duration) *int64 {
	if d == 0 {
		return nil
	}
	ms := d.Milliseconds()
	return &ms
}

// Caps is what the work is asked to keep to.
type Caps struct {
	MaxTokens         *int64   `json:"max_tokens"`
	MaxStepsRemaining *int64   `json:"max_steps_remaining"`
	ToolAllowlist     []string `json:"tool_allowlist"`
	ToolDenylist      []string `json:"tool_denylist"`
	CooldownMs        *int64   `json:"cooldown_ms"`
}

// Balance is what a budget holds.
type Balance struct {
	Scope       string  `json:"scope"`
	ScopePath   string  `json:"scope_path"`
	Remaining   Amount  `json:"remaining"`
	Reserved    *Amount `json:"reserved"`
	Spent       *Amount `json:"spent"`
	Allocated   *Amount `json:"allocated"`
	Debt        *Amount `json:"debt"`
	IsOverLimit bool    `json:"is_over_limit"`
}

// Metrics are measurements to commit with.
type Metrics struct {
	TokensInput  *int64         `json:"tokens_input,omitempty"`
	TokensOutput *int64         `json:"tokens_output,omitempty"`
	LatencyMs    *int64         `json:"latency_ms,omitempty"`
	ModelVersion string         `json:"model_version,omitempty"`
	Custom       map[string]any `json:"custom,omitempty"`
}

// Settlement says how a spend stands. Settling never fails: what is unclear is
// repeated in the background with the same key.
type Settlement struct {
	// Outcome is committed, inherited, released, recovered_via_event, queued,
	// pending, refused, already_settled or nothing_to_settle.
	Outcome string `json:"outcome"`
	// Err is why it is pending or refused.
	Err *Error `json:"error"`
	// Response is the authority's answer, as far as it gave one.
	Response struct {
		Charged  *Amount   `json:"charged"`
		Released *Amount   `json:"released"`
		Balances []Balance `json:"balances"`
		EventID  string    `json:"event_id"`
	} `json:"response"`
}
