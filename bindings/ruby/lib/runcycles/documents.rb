# frozen_string_literal: true

module Cycles
  # What callers say, in the words of the core's documents.
  module Documents
    # Times that callers give in seconds, and the core in milliseconds.
    SECONDS = %i[
      connect_timeout read_timeout call_timeout extend_timeout retry_initial_delay retry_max_delay
      circuit_breaker_cooldown
    ].freeze

    # The most seconds that are a time and not a mistake: a century.
    LONGEST = 3_155_760_000

    # What may be said of an action, and of who spends.
    ACTION = %i[kind name tags].freeze
    SUBJECT = %i[tenant workspace app workflow agent toolset dimensions].freeze

    module_function

    # A client's configuration.
    def config(settings)
      document = settings.to_h do |name, value|
        SECONDS.include?(name) ? [:"#{name}_ms", milliseconds(name, value)] : [name, value]
      end
      Native.encode("the configuration", document.compact)
    end

    # What a guarded call or a stream reserves. Only `estimate` is required; what
    # is left out has the defaults of the authority, or of the client.
    def call(estimate:, action: nil, subject: nil, ttl: nil, grace_period: nil, overage_policy: nil,
             metadata: nil, idempotency_key: nil, nested: nil)
      document = {
        estimate: amount("estimate", estimate),
        action: fields("action", ACTION, action), subject: fields("subject", SUBJECT, subject),
        ttl_ms: milliseconds(:ttl, ttl), grace_period_ms: milliseconds(:grace_period, grace_period),
        overage_policy: overage_policy, metadata: metadata, idempotency_key: idempotency_key, nested: nested
      }
      document.compact
    end

    # What a budget authority starts with: text as it stands, a Hash, or budgets alone.
    def seed(seed, budgets)
      raise ValidationError, "give either a seed or budgets" if seed && budgets
      return seed if seed.is_a?(String)

      Native.encode("seed", seed || { budgets: budgets || {} })
    end

    def milliseconds(name, seconds)
      return nil if seconds.nil?
      return (seconds * 1000).round if seconds.is_a?(Numeric) && seconds.real? && seconds.between?(0, LONGEST)

      raise ValidationError, "#{name} is a number of seconds from 0 on #{name}=#{seconds.inspect}"
    end

    def amount(name, amount)
      return amount if amount.is_a?(Amount)

      raise ValidationError, "#{name} is an amount, such as Cycles.tokens(600) #{name}=#{amount.inspect}"
    end

    # A level that is misspelt would be spent on nobody's budget.
    def fields(name, known, given)
      return given if given.nil? || (given.is_a?(Hash) && (given.keys.map(&:to_sym) - known).empty?)

      raise ValidationError, "#{name} is a Hash of #{known.join(', ')} #{name}=#{given.inspect}"
    end
    private_class_method :fields
  end
end
