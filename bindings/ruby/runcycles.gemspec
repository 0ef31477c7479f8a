# frozen_string_literal: true

require_relative "lib/runcycles/version"

# Holds the native library of the platform that it is built on: `cargo xtask build ruby` puts it there.
Gem::Specification.new do |spec|
  spec.name = "runcycles"
  spec.version = Cycles::VERSION
  spec.summary = "The budget authority that autonomous agents ask before they act"
  spec.description = "Reserves budget before an agent's work, commits what it really cost, and gives the rest back. " \
                     "The same native core as in the other languages of Cycles; remote, or in process."
  spec.authors = ["The Cycles authors"]
  spec.license = "Apache-2.0"
  spec.homepage = "https://github.com/runcycles/cycles/tree/main/bindings/ruby"
  spec.metadata = { "rubygems_mfa_required" => "true" }
  spec.platform = Gem::Platform::CURRENT
  spec.required_ruby_version = ">= 3.1"
  spec.add_dependency "ffi", "~> 1.15"
  spec.files = Dir.chdir(__dir__) { Dir["lib/**/*.rb", "lib/runcycles/*.{so,dylib,dll}", "README.md", "LICENSE"] }
end
