# frozen_string_literal: true

module Cycles
  # How a spend stands. Settling never fails: what is unclear is repeated in the
  # background with the same key.
  class Settlement
    # committed, inherited, released, recovered_via_event, queued, pending,
    # refused, already_settled or nothing_to_settle.
    attr_reader :outcome
    # The authority's answer, as far as it gave one.
    attr_reader :response
    # Why it is pending or refused.
    attr_reader :error

    def initialize(text)
      document = JSON.parse(text)
      @outcome = document["outcome"]
      @response = document["response"] || {}
      @error = document["error"] && Error.of(document["error"])
    end

    # What was charged, as an Amount.
    def charged
      Amount.of(response["charged"])
    end

    # What was given back, as an Amount.
    def released
      Amount.of(response["released"])
    end
  end
end
