# frozen_string_literal: true

# Runs one file of the behaviour suite (docs/testing.md). It fails on steps and
# expectations that it does not know: a test that cannot fail is worse than none.
class Scenario
  class Mismatch < StandardError; end
  # What a guarded function of the suite fails with.
  class Raised < StandardError; end

  STEPS = %w[guard stream call advance_ms wait_for fault wait_for_faults budgets].freeze

  def initialize(script, in_process:)
    @script = script
    @in_process = in_process
    @clock = Cycles::Testing::Clock.new
    @clients = {}
    @saved = {}
  end

  def run
    only(@script, "id", "title", "seed", "steps")
    Cycles::Testing::Server.start(@script["seed"], clock: @clock) do |server|
      @server = server
      steps(@script["steps"])
      same([], server.pending_faults, "faults that have not fired")
    end
  end

  private

  def steps(steps)
    steps.each do |step|
      name = STEPS.find { |known| step.key?(known) } or raise Mismatch, "a step that this runner does not know: #{step}"
      only(step, name, *{ "guard" => %w[expect], "stream" => %w[expect], "call" => %w[expect save] }[name])
      send(:"step_#{name}", step)
    end
  end

  def step_advance_ms(step)
    @clock.advance(step["advance_ms"] / 1000r)
  end

  def step_wait_for(step)
    only(step["wait_for"], "operation", "count")
    @server.wait_for(step["wait_for"]["operation"], step["wait_for"]["count"])
  end

  def step_fault(step)
    fault = step["fault"].transform_keys(&:to_sym)
    @server.inject(fault.delete(:operation), fault.delete(:kind), **fault)
  end

  def step_wait_for_faults(step)
    @server.wait_for_faults(step["wait_for_faults"])
  end

  def step_budgets(step)
    step["budgets"].each do |wanted|
      seen = @server.budget(wanted["scope"], wanted["unit"]).to_h.transform_keys(&:to_s)
      contains(seen, wanted.except("scope", "unit"), "budget #{wanted['scope']}")
    end
  end

  def step_guard(step)
    guard = step["guard"]
    only(guard, "key", "request", "actual", "raises", "during")
    seen = { "ran" => false }
    call = request(guard["request"])
    outcome(seen) { call.delete(:dry_run) ? evaluated(guard, call, seen) : guarded(guard, call, seen) }
    compare(seen, step["expect"], { "ran" => true }, "decision")
  end

  def evaluated(guard, call, seen)
    seen["decision"] = client(guard["key"]).evaluate(**call).decision
  end

  def guarded(guard, call, seen)
    result = client(guard["key"]).with(**call) do |hold|
      seen.merge!("ran" => true, "decision" => hold.decision)
      steps(guard["during"] || [])
      raise Raised, guard["raises"] if guard["raises"]

      hold.actual = guard["actual"]
      "result"
    end
    same("result", result, "the result")
  end

  def step_stream(step)
    stream = step["stream"]
    only(stream, "key", "request", "on_limit", "extend_by", "pieces", "actual", "raises", "during")
    pieces = stream["pieces"] || []
    seen = { "cut" => false, "pieces" => 0 }
    options = { on_limit: stream["on_limit"], extend_by: stream["extend_by"] }
    outcome(seen) do
      client(stream["key"]).stream(**request(stream["request"]), **options) do |open|
        flow(open, stream, pieces, seen)
      end
    end
    usual = { "cut" => false, "pieces" => seen["error"] ? 0 : pieces.size }
    compare(seen, step["expect"], usual, "refused")
  end

  def flow(open, stream, pieces, seen)
    pieces.each do |tokens|
      break unless proceeds?(open, seen)

      open.add_output_tokens(tokens)
      seen["pieces"] += 1
    end
    steps(stream["during"] || [])
    open.actual = stream["actual"] if stream["actual"]
    seen["cut"] = open.cut?
    raise Raised, stream["raises"] if stream["raises"]
  end

  def proceeds?(open, seen)
    open.proceed?
  rescue Cycles::ProtocolError => e
    seen["refused"] = e.code
    false
  end

  def outcome(seen)
    yield
  rescue Raised => e
    seen["raised"] = e.message
  rescue Cycles::ValidationError
    seen["error"] = "VALIDATION"
  rescue Cycles::Error => e
    seen["error"] = e.code or raise
  end

  def step_call(step)
    call = substitute(step["call"])
    only(call, "key", "operation", "reservation_id", "query", "body")
    only(step["expect"] || {}, "status", "body")
    answer = client(call["key"]).send_request(
      call["operation"], reservation_id: call["reservation_id"], query: call["query"], body: call["body"]
    )
    wanted = step["expect"] || {}
    same(wanted["status"], answer.status, "status of #{answer.raw}") if wanted["status"]
    contains(answer.body, substitute(wanted["body"]), "body") if wanted["body"]
    (step["save"] || {}).each { |name, path| @saved[name] = answer.body.dig(*path.split(".")) }
  end

  def client(key)
    @clients[key] ||= @server.client(key: key, in_process: @in_process)
  end

  # A guard's request in the words of this package.
  def request(request)
    request = substitute(request)
    only(request, "subject", "action", "estimate", "ttl_ms", "grace_period_ms", "overage_policy", "dry_run", "nested")
    {
      estimate: Cycles::Amount.new(request["estimate"]["unit"], request["estimate"]["amount"]),
      ttl: request["ttl_ms"]&./(1000r), grace_period: request["grace_period_ms"]&./(1000r),
      **request.except("estimate", "ttl_ms", "grace_period_ms").transform_keys(&:to_sym)
    }
  end

  # Replaces each text `$name` by what was saved under the name.
  def substitute(value)
    case value
    when /\A\$(.+)\z/ then @saved.fetch($1, value)
    when Array then value.map { |item| substitute(item) }
    when Hash then value.transform_values { |item| substitute(item) }
    else value
    end
  end

  def only(mapping, *known)
    unknown = mapping.keys - known
    raise Mismatch, "unknown key #{unknown.first.inspect} in #{mapping}" unless unknown.empty?
  end

  def compare(seen, expect, usual, *also)
    only(expect || {}, "error", "raised", *usual.keys, *also)
    wanted = usual.merge(expect || {})
    %w[error raised refused].each do |name|
      raise Mismatch, "unexpected #{name}: #{seen[name]}" if seen[name] && !wanted[name]
    end
    wanted.each { |name, value| same(value, seen[name], name) }
  end

  def contains(seen, wanted, place)
    case wanted
    when Hash
      wanted.each do |name, value|
        raise Mismatch, "#{place}.#{name} is missing in #{seen}" unless seen.is_a?(Hash) && seen.key?(name)

        contains(seen[name], value, "#{place}.#{name}")
      end
    when Array
      same(wanted.size, seen.size, "length of #{place}")
      wanted.zip(seen).each_with_index { |(value, found), index| contains(found, value, "#{place}[#{index}]") }
    else same(wanted, seen, place)
    end
  end

  def same(wanted, seen, what)
    raise Mismatch, "#{what}: expected #{wanted.inspect}, saw #{seen.inspect}" unless wanted == seen
  end
end
