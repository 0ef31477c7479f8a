package cycles

// Seed is what an authority of its own starts with: [Budgets], or a [SeedText].
type Seed interface {
	// Document is the seed as YAML or JSON.
	Document() (string, error)
}

// Budgets are scopes with what each is allocated:
//
//	cycles.Embedded(cycles.Budgets{"tenant:acme": cycles.Tokens(1000)})
//
// Each tenant has a key, called like the tenant; a call that names no tenant spends
// that of the client's key, by default the first of the alphabet.
type Budgets map[string]Amount

// Document is the budgets as JSON.
func (b Budgets) Document() (string, error) {
	return encoded("budgets", map[string]any{"budgets": map[string]Amount(b)})
}

// SeedText is a seed as YAML or JSON (docs/seed.md).
type SeedText string

// Document is the text itself.
func (t SeedText) Document() (string, error) { return string(t), nil }
