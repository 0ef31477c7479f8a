# frozen_string_literal: true

require_relative "helper"
require_relative "scenario"
require "yaml"

# The behaviour suite, which every language runs.
class ScenariosTest < Minitest::Test
  SUITE = ENV.fetch("CYCLES_SUITE") { File.expand_path("../../../tests", __dir__) }
  FILES = Dir[File.join(SUITE, "scenarios", "*.yaml")]

  # Three texts a table; the repository's lint checks the file itself.
  EXCEPTIONS = File.read(File.join(SUITE, "parity.toml")).split("\n[[exception]]").drop(1).filter_map do |table|
    fields = table.scan(/^(\w+) = "(.*?)"/).to_h
    [fields["scenario"], fields["reason"]] if fields["language"] == "ruby"
  end.to_h.freeze

  FILES.each do |file|
    id = File.basename(file, ".yaml")
    { "http" => false, "local" => true }.each do |transport, in_process|
      define_method(:"test_#{id}_#{transport}") do
        if EXCEPTIONS[id]
          puts "SKIP #{id}: #{EXCEPTIONS[id]}"
          skip EXCEPTIONS[id]
        end
        script = YAML.safe_load_file(file)
        assert_equal id, script["id"], "a scenario's id is its file's name"
        Scenario.new(script, in_process: in_process).run
      end
    end
  end

  def test_all_scenarios_are_there
    assert_operator FILES.size, :>=, 12
  end

  def test_the_runner_fails_on_what_it_does_not_know_and_on_what_is_not_so
    script = YAML.safe_load_file(File.join(SUITE, "scenarios", "happy-path.yaml"))
    [{ "dance" => 1 }, { "budgets" => [{ "scope" => "tenant:acme", "unit" => "TOKENS", "spent" => 7 }] }].each do |step|
      broken = script.merge("steps" => [step])
      assert_raises(Scenario::Mismatch) { Scenario.new(broken, in_process: true).run }
    end
  end
end
