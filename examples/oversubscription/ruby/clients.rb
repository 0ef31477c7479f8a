# Clients that draw from one budget until it refuses them (`../README.md`).
require "json"
require "runcycles"

SPEND = { subject: { tenant: "acme" }, action: { kind: "test", name: "oversubscription" } }.freeze

# The answer, which must be a success.
def body(answer)
  abort "#{answer.status} #{answer.raw} #{answer.error_message}" unless answer.ok?
  answer.body
end

# Draws until refused; answers what was charged, left open and refused.
def draw(number)
  client = Cycles::Client.from_env
  told = { charged: 0, open: 0, refused: 0 }
  (0..).each do |call|
    amount = 1 + (((number * 7) + (call * 13)) % 97)
    answer = client.create_reservation(SPEND.merge(estimate: Cycles.tokens(amount)))
    return told.merge(refused: 1) if answer.status == 409

    reservation = body(answer)["reservation_id"]
    case call % 5
    when 0 then told[:open] += amount
    when 1 then body(client.release(reservation))
    else
      committed = body(client.commit(reservation, { actual: Cycles.tokens(amount - (amount % 3)) }))
      told[:charged] += committed["charged"]["amount"]
    end
  end
end

clients = Integer(ENV.fetch("CLIENTS"))
$stdout.sync = true
puts "ready"
$stdin.gets
all = Array.new(clients) { |number| Thread.new { draw(number) } }.map(&:value)
sums = %i[charged open refused].to_h { |name| [name, all.sum { |told| told[name] }] }
puts({ language: "ruby", **sums }.to_json)
