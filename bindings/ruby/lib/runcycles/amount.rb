# frozen_string_literal: true

module Cycles
  # The protocol's units. A microcent is 10⁻⁸ US dollars.
  USD_MICROCENTS = "USD_MICROCENTS"
  TOKENS = "TOKENS"
  CREDITS = "CREDITS"
  RISK_POINTS = "RISK_POINTS"

  # A whole number of a unit.
  Amount = Struct.new(:unit, :amount) do
    def initialize(unit, amount)
      super(unit.to_s, amount)
      freeze
    end

    # The amount that a document of the core holds; nil for nil.
    def self.of(document)
      document && new(document["unit"], document["amount"])
    end

    def to_s
      "#{amount} #{unit}"
    end

    def to_json(*state)
      { unit: unit, amount: amount }.to_json(*state)
    end
  end

  class << self
    # An amount of tokens.
    def tokens(amount)
      Amount.new(TOKENS, amount)
    end

    # An amount of USD microcents.
    def microcents(amount)
      Amount.new(USD_MICROCENTS, amount)
    end

    # Reads a decimal amount of US dollars, like "0.02", exactly. A Float is
    # refused: it is not the number that was written.
    def usd(dollars)
      exact = dollars.is_a?(String) || dollars.is_a?(Integer) || (defined?(BigDecimal) && dollars.is_a?(BigDecimal))
      raise ValidationError, "dollars are a text, like \"0.02\" dollars=#{dollars.inspect}" unless exact

      text = dollars.respond_to?(:exponent) ? dollars.to_s("F") : dollars.to_s
      microcents(Native.ask(:usd_microcents, text))
    end
  end
end
